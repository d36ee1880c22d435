//! The command line of a benchmark.

use std::str::FromStr;

/// What a benchmark was asked for.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// Only show that everything runs: tiny loads, one round, numbers without meaning.
    pub(crate) quick: bool,
    /// How many rounds, in place of the benchmark's own choice.
    rounds: Option<usize>,
    /// The words of which a table's title must contain one; all tables if there are none.
    filters: Vec<String>,
    /// The role that the benchmark has started itself in, and what it needs to know for it.
    pub(crate) role: Option<Role>,
}

impl Arguments {
    /// Reads the command line; says what is wrong with it and exits.
    pub(crate) fn from_environment() -> Self {
        let mut arguments = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // That is what cargo tells every benchmark.
                "--bench" => {}
                "--quick" => arguments.quick = true,
                "--rounds" => {
                    arguments.rounds =
                        words.next().and_then(|count| count.parse().ok()).or_else(|| usage());
                }
                "--role" => arguments.role = Some(Role { words: words.by_ref().collect() }),
                _ if word.starts_with('-') => usage(),
                _ => arguments.filters.push(word),
            }
        }
        arguments
    }

    /// How many rounds to run, if not asked otherwise.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual }).max(1)
    }

    /// A count that is small in a quick run.
    pub(crate) const fn scaled(&self, usual: u64, quick: u64) -> u64 {
        if self.quick { quick } else { usual }
    }

    /// Whether the table of this title was asked for.
    pub(crate) fn wants(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter.as_str()))
    }
}

/// What a process is to do for the benchmark that started it: a name, then arguments.
#[derive(Debug)]
pub(crate) struct Role {
    words: Vec<String>,
}

impl Role {
    /// The word at a position; the name is at 0.
    pub(crate) fn word(&self, position: usize) -> &str {
        self.words.get(position).map_or("", String::as_str)
    }

    /// The number at a position.
    pub(crate) fn number<T: FromStr>(&self, position: usize) -> T {
        self.word(position)
            .parse()
            .unwrap_or_else(|_| panic!("a number at {position} of {:?}", self.words))
    }
}

/// Says how a benchmark is called, and exits.
fn usage() -> ! {
    eprintln!(
        "usage: cargo bench -p selkie-benches [--bench NAME] -- [--quick] [--rounds COUNT] [TITLE...]"
    );
    std::process::exit(2)
}
