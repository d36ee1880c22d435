//! The command line of a benchmark.

use std::str::FromStr;

/// The parsed command line of a benchmark.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// A quick run: tiny loads, one round, numbers without meaning.
    pub(crate) quick: bool,
    /// The number of rounds, in place of the benchmark's own choice.
    rounds: Option<usize>,
    /// The words of which a table's title must contain one; all tables if there are none.
    filters: Vec<String>,
    /// The role in which the benchmark started itself, and its arguments.
    pub(crate) role: Option<Role>,
}

impl Arguments {
    /// Reads the command line; prints what is wrong with it and exits.
    pub(crate) fn from_environment() -> Self {
        let mut arguments = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // Cargo passes this to every benchmark.
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

    /// Reads the command line. If this process was started for a role, has `play` play it, and
    /// returns nothing. `play` returns false for a role that it does not know.
    pub(crate) fn unless_role(play: impl FnOnce(&Role) -> bool) -> Option<Self> {
        let arguments = Self::from_environment();
        if let Some(role) = &arguments.role {
            assert!(play(role), "an unknown role: {role:?}");
            return None;
        }
        Some(arguments)
    }

    /// Returns the number of rounds: the given one, or else `usual`.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual }).max(1)
    }

    /// Returns the usual count, or a small one in a quick run.
    pub(crate) const fn scaled(&self, usual: u64, quick: u64) -> u64 {
        if self.quick { quick } else { usual }
    }

    /// Returns whether the table of this title was asked for.
    pub(crate) fn wants(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter.as_str()))
    }
}

/// The part of a process that the benchmark started: a name, then arguments.
#[derive(Debug)]
pub(crate) struct Role {
    words: Vec<String>,
}

impl Role {
    /// Returns the word at a position; the name is at 0.
    pub(crate) fn word(&self, position: usize) -> &str {
        self.words.get(position).map_or("", String::as_str)
    }

    /// Parses the number at a position.
    pub(crate) fn number<T: FromStr>(&self, position: usize) -> T {
        self.word(position)
            .parse()
            .unwrap_or_else(|_| panic!("a number at {position} of {:?}", self.words))
    }
}

/// Prints the usage of a benchmark, and exits.
fn usage() -> ! {
    eprintln!(
        "usage: cargo bench -p selkie-benches [--bench NAME] -- [--quick] [--rounds COUNT] \
         [TITLE...]"
    );
    std::process::exit(2)
}
