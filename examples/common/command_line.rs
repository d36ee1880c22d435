//! The command line of the examples. Its errors are one sentence, like all errors of theirs.

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

/// Parses the command line.
pub(crate) fn parse(command: Command) -> Result<ArgMatches, String> {
    command.try_get_matches().map_err(|error| {
        if !error.use_stderr() {
            // The text of `--help` is no error.
            error.exit();
        }
        sentence(&error)
    })
}

/// Reads the arguments of one kind.
pub(crate) fn read<A: FromArgMatches>(matches: &ArgMatches) -> Result<A, String> {
    A::from_arg_matches(matches).map_err(|error| sentence(&error))
}

/// Parses the command line of a program that has no further arguments.
#[allow(dead_code, reason = "some examples have further arguments")]
pub(crate) fn arguments<A: CommandFactory + FromArgMatches>() -> Result<A, String> {
    read(&parse(A::command())?)
}

/// Returns an error of the command line as one sentence.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    // What is missing is on lines of its own; usage and tips are behind an empty line.
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let words: Vec<&str> = message.split_whitespace().collect();
    let sentence = words.join(" ");
    match error.kind() {
        ErrorKind::ValueValidation => sentence,
        _ => format!("{sentence}; `--help` lists what can be given"),
    }
}
