//! Selectors and wakers that another selector watches.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use selkie_core::platform::{Selector, Wait, Wake};
use selkie_core::{Instant, Interest, Mode};
use selkie_std::selectors::{AnySelector, Backend, DefaultSelector};

use crate::{TOKEN, events_of, pipe, watching};

/// A wait that is long enough for every machine, and ends as soon as there is an event.
const LONG: Duration = Duration::from_secs(60);

/// Makes a test for each backend whose selector has a descriptor.
macro_rules! nests {
    ($($selector:ident $name:ident,)+) => {
        $(nests!(@ $selector $name);)+
    };
    (@ Poll $name:ident) => {};
    (@ Select $name:ident) => {};
    (@ Kqueue $name:ident) => {
        // The descriptor of libkqueue is not readable.
        #[cfg(not(target_os = "linux"))]
        nests!(# Kqueue $name);
    };
    (@ $selector:ident $name:ident) => {
        nests!(# $selector $name);
    };
    (# $selector:ident $name:ident) => {
        #[test]
        fn $name() {
            for &outer in Backend::available() {
                let (reader, mut writer) = pipe();
                let mut inner = selkie_std::selectors::$selector::new(2).unwrap();
                inner.register(reader.as_fd(), TOKEN, Interest::READABLE, Mode::Level).unwrap();
                let lent = inner.as_fd().try_clone_to_owned().unwrap();
                let mut outer = watching(outer, lent.as_fd());
                assert_eq!(events_of(|events| outer.poll(Instant::ZERO, events).unwrap()), []);
                writer.write_all(b"x").unwrap();
                let events = events_of(|events| outer.wait_for(events, LONG).unwrap());
                assert!(events.len() == 1 && events[0].readiness.is_readable(), "{events:?}");
                let events = events_of(|events| inner.poll(Instant::ZERO, events).unwrap());
                assert_eq!(events.len(), 1);
            }
        }
    };
}

selkie_std::for_each_backend!(nests);

#[test]
fn a_waker_can_be_watched_by_another_selector() {
    for &outer in Backend::available() {
        let mut inner = DefaultSelector::new(1).unwrap();
        let waker = inner.waker(TOKEN).unwrap();
        let mut outer = watching(outer, waker.as_fd());
        assert_eq!(events_of(|events| outer.poll(Instant::ZERO, events).unwrap()), []);
        waker.wake();
        let events = events_of(|events| outer.wait_for(events, LONG).unwrap());
        assert_eq!(events.len(), 1);
    }
}

#[test]
fn a_source_table_of_the_callers_own_needs_no_registry() {
    for &backend in Backend::available() {
        let (reader, mut writer) = pipe();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&reader);
        let capacity = 1 + usize::try_from(fd).unwrap();
        let mut selector = AnySelector::new(backend, capacity).unwrap();
        let token = selkie_core::Token::new(u32::try_from(fd).unwrap(), 1);
        selector.register(reader.as_fd(), token, Interest::READABLE, Mode::Level).unwrap();
        writer.write_all(b"x").unwrap();
        let events = events_of(|events| selector.wait_for(events, LONG).unwrap());
        assert_eq!(events[0].token.index(), usize::try_from(fd).unwrap());
        selector.deregister(reader.as_fd(), token).unwrap();
    }
}
