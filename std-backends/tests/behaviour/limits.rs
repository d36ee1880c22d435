//! Limits of the process, and the precision of waits.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use selkie_core::platform::{Selector, Wait, Wake};
use selkie_core::{Interest, Mode, Token};
use selkie_std::selectors::{AnySelector, Backend};

use crate::{check, events_of, pipe};

/// Names the backend in the environment of a child process.
const CHILD: &str = "SELKIE_LIMITED_BACKEND";

/// Sources of the child process, in several chunks of its limit.
const SOURCES: usize = 40;

#[test]
fn a_selector_goes_on_when_the_limit_of_descriptors_is_lowered_below_its_sources() {
    if let Ok(backend) = std::env::var(CHILD) {
        return limited(backend.parse().unwrap());
    }
    let name = "limits::\
                a_selector_goes_on_when_the_limit_of_descriptors_is_lowered_below_its_sources";
    for backend in Backend::available() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, backend.name())
            .status()
            .unwrap();
        assert!(status.success(), "{backend}: {status}");
    }
}

/// Lowers the limit below the number of registered sources, and waits for the last of them.
fn limited(backend: Backend) {
    let mut pipes: Vec<_> = (0..SOURCES).map(|_| pipe()).collect();
    let readers: Vec<_> = pipes.iter().map(|(reader, _)| reader.try_clone().unwrap()).collect();
    let mut selector = AnySelector::new(backend, SOURCES + 1).unwrap();
    let tokens: Vec<_> = (0..=u32::try_from(SOURCES).unwrap()).map(|i| Token::new(i, 1)).collect();
    for (reader, &token) in readers.iter().zip(&tokens) {
        selector.register(reader.as_fd(), token, Interest::READABLE, Mode::Level).unwrap();
    }
    let waker = selector.waker(tokens[SOURCES]).unwrap();
    let limit = libc::rlimit { rlim_cur: 16, rlim_max: 16 };
    // SAFETY: `limit` is valid for the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) });

    let deadline = selector.now() + Duration::from_millis(25);
    assert_eq!(events_of(|events| selector.wait(events, Some(deadline)).unwrap()), []);
    assert!(selector.now() >= deadline);
    let last = SOURCES - 1;
    pipes[last].1.write_all(b"x").unwrap();
    let events = events_of(|events| selector.wait(events, None).unwrap());
    assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [tokens[last]]);
    selector.deregister(readers[last].as_fd(), tokens[last]).unwrap();
    waker.wake();
    let events = events_of(|events| selector.wait(events, None).unwrap());
    assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [tokens[SOURCES]]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_wait_of_300_microseconds_sleeps_no_whole_millisecond() {
    for &backend in Backend::available() {
        // libkqueue waits by `poll`.
        if backend.name() == "kqueue" {
            continue;
        }
        let (reader, _writer) = pipe();
        let mut selector = crate::watching(backend, reader.as_fd());
        let span = Duration::from_micros(300);
        let mut measure = || {
            let start = std::time::Instant::now();
            assert_eq!(events_of(|events| selector.wait_for(events, span).unwrap()), []);
            let took = start.elapsed();
            assert!(took >= span, "{backend}: {took:?}");
            took
        };
        // As often as a busy machine wants it: one that sleeps whole milliseconds is never faster.
        let took = (0..5_000).map(|_| measure()).find(|took| *took < Duration::from_micros(900));
        assert!(took.is_some(), "{backend} sleeps whole milliseconds");
    }
}
