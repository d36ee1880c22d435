//! The behaviour of the native backends beyond the contract: signals, limits, nesting, and the
//! properties of descriptors that were opened elsewhere.
#![cfg(unix)]

mod descriptors;
mod limits;
mod nesting;
mod peers;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod ring_faults;
#[cfg(target_os = "linux")]
mod ring_releases;
mod signals;
mod terminals;

use std::io::{PipeReader, PipeWriter};
use std::os::fd::BorrowedFd;

use selkie_core::platform::{Events, Selector};
use selkie_core::{Event, Interest, Mode, Token};
use selkie_std::Platform;
use selkie_std::selectors::{AnySelector, Backend, DefaultSelector};

/// The token of the first source of a test.
const TOKEN: Token = Token::new(0, 1);

/// Returns a platform over the best selector.
fn platform() -> Platform<DefaultSelector<'static>> {
    Platform::new(DefaultSelector::new(8).unwrap(), 8).unwrap()
}

/// Returns an empty pipe.
fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().unwrap()
}

/// Returns a selector that watches `source` for reading.
fn watching(backend: Backend, source: BorrowedFd<'_>) -> AnySelector<'_> {
    let mut selector = AnySelector::new(backend, 2).unwrap();
    selector.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    selector
}

/// Runs `wait` with an empty batch, and returns the events that it added.
fn events_of(wait: impl FnOnce(&mut Events<'_>)) -> Vec<Event> {
    let mut slots = [Event::EMPTY; 8];
    let mut events = Events::new(&mut slots);
    wait(&mut events);
    events.as_slice().to_vec()
}

/// Returns the result of a system call that returns -1 when it fails.
#[track_caller]
fn check(result: libc::c_int) -> libc::c_int {
    assert!(result >= 0, "{}", std::io::Error::last_os_error());
    result
}
