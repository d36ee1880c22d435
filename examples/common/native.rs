//! The native part of the examples: signals, and output that never blocks.

use std::io::Write;
use std::os::fd::AsFd;

use selkie::platform::{Events, Poll, Selector, Wait};
use selkie::{Error, Event, Interest, Mode, Token};

/// Calls `drain` at SIGINT and SIGTERM.
pub(super) fn on_termination(drain: impl Fn() + Send + 'static) -> Result<(), String> {
    ctrlc::set_handler(drain).map_err(|error| format!("cannot watch for signals: {error}"))
}

/// Prints if that is possible at once. A reader that has left, a full disk and a full pipe must not
/// stop or delay the server.
pub(super) fn print(mut output: impl Write + AsFd, text: &str) {
    if is_writable(&output).unwrap_or(false) {
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }
}

/// Returns whether `output` takes a page without blocking, as POSIX says of a pipe that is ready.
fn is_writable(output: &impl AsFd) -> Result<bool, Error> {
    let mut selector = Poll::new(1)?;
    selector.register(output.as_fd(), Token::new(0, 1), Interest::WRITABLE, Mode::Level)?;
    let mut batch = [Event::EMPTY];
    let mut events = Events::new(&mut batch);
    let now = selector.now();
    selector.poll(now, &mut events)?;
    Ok(!events.is_empty())
}
