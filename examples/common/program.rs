//! The common part of the programs that have a command line of their own: errors are one sentence
//! and the exit code 2, and output that cannot be written stops nothing.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

mod command_line;

/// Parses the command line and calls `serve` with it. Prints an error behind the program's name.
pub(crate) fn run<A: CommandFactory + FromArgMatches>(
    name: &str,
    serve: impl FnOnce(A) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    match command_line::arguments().map_err(Into::into).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints without complaint: output that cannot be written must not stop the server.
pub(crate) fn print(text: &(impl AsRef<[u8]> + ?Sized)) {
    let mut stdout = stdout();
    let _ = stdout.write_all(text.as_ref()).and_then(|()| stdout.flush());
}
