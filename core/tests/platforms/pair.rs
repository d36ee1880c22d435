//! `Pair`: each call reaches the platform that its source belongs to, and neither platform is
//! favoured.

use std::net::SocketAddr;

use selkie_core::adapters::{Either, Pair, SelectorOnly};
use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport};
use selkie_core::{ErrorKind, Event, Instant, Interest, Mode, Token};

use crate::recorder::Recorder;

type Recorders = Pair<Recorder, Recorder>;
type Side = fn(u8) -> Either<u8, u8>;

const TOKEN: Token = Token::new(4, 1);

fn pair() -> Recorders {
    Pair::new(Recorder::new(21), Recorder::new(22))
}

/// Makes every call that has a source of one side, and checks that all are answered with that
/// side's number.
fn call_everything(pair: &mut Recorders, side: Side, number: u8) {
    let source = side(7);
    pair.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    pair.modify(source, TOKEN, Interest::WRITABLE, Mode::Oneshot).unwrap();
    pair.deregister(source, TOKEN).unwrap();
    assert_eq!(pair.accept(source), Ok(side(number)));
    let remote = SocketAddr::from(([127, 0, 0, 1], number.into()));
    assert_eq!(pair.remote_address(source), Some(remote));
    assert_eq!(pair.connect(&side(8)), Ok(side(number)));
    pair.connected(source).unwrap();
    assert_eq!(pair.read(source, &mut [0; 3]), Ok(usize::from(number)));
    assert_eq!(pair.peek(source, &mut [0; 4]), Ok(usize::from(number)));
    pair.consume(source, 1, 2);
    assert_eq!(pair.write(source, &[5, 6]), Ok(usize::from(number)));
    assert_eq!(pair.write_vectored(source, &[&[], &[5], &[6]]), Ok(usize::from(number)));
    pair.check(source).unwrap();
    assert_eq!(pair.write_room(source), usize::from(number));
    let since = Some(selkie_core::Instant::from_nanos(number.into()));
    assert_eq!(pair.unacknowledged_since(source), since);
    pair.shutdown_write(source).unwrap();
    pair.close(source, Close::Abort).unwrap();
}

const EVERYTHING: [&str; 17] = [
    "register 7 Token(4#1) READABLE Level",
    "modify 7 Token(4#1) WRITABLE Oneshot",
    "deregister 7 Token(4#1)",
    "accept 7",
    "remote_address 7",
    "connect 8",
    "connected 7",
    "read 7 3",
    "peek 7 4",
    "consume 7 1 2",
    "write 7 [5, 6]",
    "write_vectored 7 [[], [5], [6]]",
    "check 7",
    "write_room 7",
    "unacknowledged_since 7",
    "shutdown_write 7",
    "close 7 Abort",
];

#[test]
fn each_call_reaches_the_platform_of_its_source() {
    let mut pair = pair();
    call_everything(&mut pair, Either::First, 21);
    assert_eq!(pair.first.calls, EVERYTHING);
    assert!(pair.second.calls.is_empty());
    pair.first.calls.clear();
    call_everything(&mut pair, Either::Second, 22);
    assert_eq!(pair.second.calls, EVERYTHING);
    assert!(pair.first.calls.is_empty());
}

#[test]
fn an_address_is_of_the_first_platform_that_can_connect_to_it() {
    let address = |port| Recorders::address(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(address(9), Some(Either::First(9)));
    assert_eq!(address(256), None);
    let mixed =
        <Pair<SelectorOnly<Recorder>, Recorder>>::address(SocketAddr::from(([127, 0, 0, 1], 9)));
    assert_eq!(mixed, Some(Either::Second(9)));
}

#[test]
fn what_a_platform_fails_with_is_passed_on() {
    let mut pair = pair();
    pair.second.failure = Some(ErrorKind::OutOfMemory);
    let source = Either::Second(7);
    let refused = pair.register(source, TOKEN, Interest::READABLE, Mode::Level);
    assert_eq!(refused, Err(ErrorKind::OutOfMemory.into()));
    assert_eq!(pair.read(source, &mut [0; 3]), Err(ErrorKind::OutOfMemory.into()));
    assert_eq!(pair.close(source, Close::Graceful), Err(ErrorKind::OutOfMemory.into()));
}

#[test]
fn an_error_of_one_half_never_loses_an_event_of_the_other() {
    let mut pair = pair();
    pair.second.failure = Some(ErrorKind::OutOfMemory);
    let mut batch = [Event::EMPTY; 2];
    let mut polled = [(); 4].map(|()| {
        let mut events = Events::new(&mut batch);
        (pair.poll(Instant::ZERO, &mut events), events.len())
    });
    polled.sort_by_key(|(result, _)| result.is_ok());
    let failed = (Err(ErrorKind::OutOfMemory.into()), 0);
    assert_eq!(polled, [failed, failed, (Ok(()), 2), (Ok(()), 2)], "an error, or events");
}

#[test]
fn the_two_take_turns_in_filling_the_batch() {
    let mut pair = pair();
    let mut batch = [Event::EMPTY; 3];
    let mut leaders = Vec::new();
    for _ in 0..4 {
        let mut events = Events::new(&mut batch);
        pair.poll(Instant::from_nanos(9), &mut events).unwrap();
        leaders.push(events.as_slice()[0].token.index());
    }
    assert!(leaders == [21, 22, 21, 22] || leaders == [22, 21, 22, 21], "{leaders:?}");
    assert_eq!(pair.first.calls, ["poll 9"; 4], "and both are polled each time");
    assert_eq!(pair.second.calls, ["poll 9"; 4]);
}

#[test]
fn the_pair_promises_what_both_can_keep() {
    let mut pair = pair();
    assert_eq!(pair.next_deadline(Instant::ZERO), None);
    pair.first.next_deadline = Some(Instant::from_nanos(50));
    pair.second.next_deadline = Some(Instant::from_nanos(40));
    assert_eq!(pair.next_deadline(Instant::ZERO), Some(Instant::from_nanos(40)));

    pair.first.capabilities = Capabilities::EDGE | Capabilities::ERROR | Capabilities::WAKER;
    pair.second.capabilities = Capabilities::ERROR | Capabilities::PRIORITY | Capabilities::WAKER;
    let both = Capabilities::ERROR | Capabilities::WAKER;
    assert_eq!(pair.capabilities(), both, "the waker is that of the first, which sleeps");
    pair.first.capabilities = Capabilities::ERROR;
    assert_eq!(pair.capabilities(), Capabilities::ERROR, "the second wakes no one");

    (pair.first.capacity, pair.second.capacity) = (5, 3);
    assert_eq!(pair.capacity(), 3);
}

#[test]
fn the_buffers_are_the_platforms_if_they_are_for_both_and_reading_goes_on_if_it_must_for_one() {
    type Mixed = Pair<Recorder<true>, Recorder<false>>;
    type MixedTheOtherWay = Pair<Recorder<false>, Recorder<true>>;
    const {
        assert!(<Pair<Recorder<true>, Recorder<true>>>::OWNS_BUFFERS);
        assert!(!Mixed::OWNS_BUFFERS && !MixedTheOtherWay::OWNS_BUFFERS);
        assert!(<Pair<Recorder<true>, Recorder<true>>>::REPORTS_ROOM);
        assert!(!Mixed::REPORTS_ROOM && !MixedTheOtherWay::REPORTS_ROOM);
        assert!(Mixed::READABLE_UNTIL_EMPTY && MixedTheOtherWay::READABLE_UNTIL_EMPTY);
        assert!(!Recorders::READABLE_UNTIL_EMPTY);
    }
}
