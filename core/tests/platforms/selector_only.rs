//! `SelectorOnly`: the selector is as it was, and nothing is served.

use core::time::Duration;

use selkie_core::adapters::{Either, Pair, SelectorOnly};
use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport, Wait, Wake};
use selkie_core::{ErrorKind, Event, Instant, Interest, Mode, Token};

use crate::recorder::Recorder;

const TOKEN: Token = Token::new(4, 1);
const UNSUPPORTED: ErrorKind = ErrorKind::Unsupported;

#[test]
fn the_sources_are_watched() {
    let mut unserved = SelectorOnly::new(Recorder::<false>::new(21));
    unserved.register(7, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    unserved.modify(7, TOKEN, Interest::WRITABLE, Mode::Oneshot).unwrap();
    unserved.deregister(7, TOKEN).unwrap();
    let mut batch = [Event::EMPTY; 1];
    let mut events = Events::new(&mut batch);
    unserved.poll(Instant::from_nanos(9), &mut events).unwrap();
    assert_eq!(events.len(), 1);
    let calls = &unserved.selector.calls;
    assert_eq!(
        calls[..3],
        [
            "register 7 Token(4#1) READABLE Level",
            "modify 7 Token(4#1) WRITABLE Oneshot",
            "deregister 7 Token(4#1)"
        ]
    );
    assert_eq!(calls[3..], ["poll 9"]);

    unserved.selector.next_deadline = Some(Instant::from_nanos(50));
    unserved.selector.capabilities = Capabilities::ERROR;
    unserved.selector.capacity = 5;
    assert_eq!(unserved.next_deadline(Instant::ZERO), Some(Instant::from_nanos(50)));
    assert_eq!(unserved.capacity(), 5);
    assert_eq!(
        unserved.capabilities(),
        Capabilities::ERROR | Capabilities::CHECK | Capabilities::ABORT,
        "what only a transport does is not taken from the other half"
    );
}

#[test]
fn the_selector_sleeps_and_is_woken_as_before() {
    let mut unserved = SelectorOnly::new(Recorder::<false>::new(21));
    let mut batch = [Event::EMPTY; 1];
    assert_eq!(unserved.now(), Instant::from_nanos(21));
    unserved.wait(&mut Events::new(&mut batch), Some(Instant::from_nanos(9))).unwrap();
    unserved.wait_for(&mut Events::new(&mut batch), Duration::from_nanos(8)).unwrap();
    assert_eq!(unserved.waker(TOKEN), Ok(21));
    unserved.release_waker(TOKEN).unwrap();
    let expected = ["wait Some(9)", "wait_for 8ns", "waker Token(4#1)", "release_waker Token(4#1)"];
    assert_eq!(unserved.selector.calls, expected);
}

#[test]
fn the_sources_are_not_served() {
    let mut unserved = SelectorOnly::new(Recorder::<false>::new(21));
    assert_eq!(unserved.accept(7), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.connected(7), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.read(7, &mut [0]), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.peek(7, &mut [0]), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.write(7, &[0]), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.write_vectored(7, &[&[0]]), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.check(7), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.shutdown_write(7), Err(UNSUPPORTED.into()));
    assert_eq!(unserved.close(7, Close::Graceful), Err(UNSUPPORTED.into()));
    assert!(unserved.selector.calls.is_empty());
}

#[test]
fn the_other_half_keeps_its_own_buffers() {
    const { assert!(<Pair<Recorder<true>, SelectorOnly<Recorder<false>>>>::OWNS_BUFFERS) };
    const { assert!(!<Pair<Recorder<false>, SelectorOnly<Recorder<false>>>>::OWNS_BUFFERS) };
    let mut pair =
        Pair::new(Recorder::<true>::new(21), SelectorOnly::new(Recorder::<false>::new(22)));
    assert_eq!(pair.read(Either::First(7), &mut [0; 3]), Ok(21));
    assert_eq!(pair.read(Either::Second(7), &mut [0; 3]), Err(UNSUPPORTED.into()));
}
