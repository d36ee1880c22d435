//! Events that no correct host sends, and how reads ahead are read.

use std::boxed::Box;
use std::net::{Ipv4Addr, SocketAddr};

use selkie_core::platform::{Events, Selector, Transport, Wait};
use selkie_core::{ErrorKind, Event, Instant, Interest, Mode, Token};

use super::endpoint::BYTES_MAX;
use super::{StaticWaitableSet, WaitableSet, abi, host};
use crate::Socket;
use crate::shared::direction::Direction;

/// The kind of an event of a stream that was read.
const EVENT_STREAM_READ: u32 = 2;
/// One item has moved.
const ONE: u32 = 1 << 4;
/// The other end is gone.
const DROPPED: u32 = 1;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7);

fn platform() -> WaitableSet {
    WaitableSet::new(Box::leak(Box::new(StaticWaitableSet::<4>::new())).storage())
}

fn token(index: u32) -> Token {
    Token::new(index, 1)
}

/// Returns the tokens of one wait, which must report something.
fn wait(platform: &mut WaitableSet) -> std::vec::Vec<Token> {
    let mut slots = [Event::EMPTY; 4];
    let mut events = Events::new(&mut slots);
    platform.wait(&mut events, None).expect("the host has an event");
    events.iter().map(|event| event.token).collect()
}

/// Returns the handle of the operation that a source has in flight.
fn in_flight(platform: &mut WaitableSet, source: Socket, direction: Direction) -> u32 {
    platform.endpoints.get(source).expect("the source is open").1.platform.side(direction).end
}

#[test]
fn a_host_that_repeats_an_event_is_believed_once() {
    let mut platform = platform();
    let listener = platform.listen(ADDRESS, 1).unwrap();
    platform.register(listener, token(0), Interest::READABLE, Mode::Level).unwrap();
    platform.poll(Instant::ZERO, &mut Events::new(&mut [Event::EMPTY])).unwrap();
    assert_eq!(platform.in_flight, 1, "a connection was requested");
    let end = in_flight(&mut platform, listener, Direction::Read);
    for _ in 0..3 {
        host::push_event(EVENT_STREAM_READ, end, ONE);
    }
    assert_eq!(wait(&mut platform), [token(0)]);
    assert_eq!(platform.in_flight, 0);
}

#[test]
fn a_connection_attempt_that_ends_twice_ends_once() {
    let mut platform = platform();
    let source = platform.connect(&ADDRESS).unwrap();
    platform.register(source, token(0), Interest::WRITABLE, Mode::Level).unwrap();
    let subtask = in_flight(&mut platform, source, Direction::Write);
    // One event before the end, and one of a stream that does not exist.
    host::push_event(abi::EVENT_SUBTASK, subtask, abi::SUBTASK_RETURNED - 1);
    host::push_event(EVENT_STREAM_READ, subtask, ONE);
    assert_eq!(platform.connected(source), Err(selkie_core::Error::WOULD_BLOCK));
    host::push_event(abi::EVENT_SUBTASK, subtask, abi::SUBTASK_RETURNED);
    host::push_event(abi::EVENT_SUBTASK, subtask, abi::SUBTASK_RETURNED);
    assert_eq!(platform.connected(source), Ok(()));
    assert_eq!(platform.in_flight, 0);
    // The connection is no attempt any more, even if the host says so.
    let end = in_flight(&mut platform, source, Direction::Write);
    host::push_event(abi::EVENT_SUBTASK, end, abi::SUBTASK_RETURNED);
    platform.poll(Instant::ZERO, &mut Events::new(&mut [Event::EMPTY])).unwrap();
    assert_eq!(in_flight(&mut platform, source, Direction::Write), end);
    assert_eq!(platform.in_flight, 1, "room to write was requested, and is not there yet");
    assert_eq!(platform.read(source, &mut [0; 8]), Err(selkie_core::Error::WOULD_BLOCK));
}

/// Creates a watched connection, and returns the handle of its readable end too.
fn watched(platform: &mut WaitableSet) -> (Socket, u32) {
    let source = platform.add_stream(1).unwrap();
    platform.register(source, token(0), Interest::READABLE, Mode::Level).unwrap();
    let end = in_flight(platform, source, Direction::Read);
    (source, end)
}

/// Lets the host read bytes of the first source ahead, and report that with this status.
fn arrives(platform: &WaitableSet, end: u32, bytes: &[u8], status: u32) {
    // SAFETY: the memory has room for them.
    unsafe {
        core::ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            platform.read_aheads[0].bytes_place(),
            bytes.len(),
        );
    };
    host::push_event(EVENT_STREAM_READ, end, (u32::try_from(bytes.len()).unwrap() * ONE) | status);
}

#[test]
fn bytes_that_came_ahead_are_read_in_as_many_parts_as_it_takes() {
    let mut platform = platform();
    let (source, end) = watched(&mut platform);
    arrives(&platform, end, b"hello", 0);
    let mut buffer = [0; 2];
    for part in [&b"he"[..], b"ll", b"o"] {
        assert_eq!(wait(&mut platform), [token(0)], "what is left is reported");
        assert_eq!(platform.read(source, &mut []), Ok(0));
        assert_eq!(platform.read(source, &mut buffer), Ok(part.len()));
        assert_eq!(&buffer[..part.len()], part);
    }
    assert_eq!(platform.read(source, &mut buffer), Err(selkie_core::Error::WOULD_BLOCK));
}

#[test]
fn bytes_that_came_with_the_end_of_a_stream_come_before_it() {
    let mut platform = platform();
    let (source, end) = watched(&mut platform);
    arrives(&platform, end, b"bye", DROPPED);
    let mut buffer = [0; 8];
    assert_eq!(wait(&mut platform), [token(0)]);
    assert_eq!(platform.read(source, &mut buffer), Ok(3));
    assert_eq!(wait(&mut platform), [token(0)], "the end is reported");
    assert_eq!(platform.read(source, &mut buffer), Ok(0));
    assert_eq!(platform.read(source, &mut buffer), Ok(0));
}

#[test]
fn more_bytes_than_there_is_room_for_are_not_believed() {
    let mut platform = platform();
    let (source, end) = watched(&mut platform);
    host::push_event(EVENT_STREAM_READ, end, u32::MAX << 4);
    let mut buffer = [0; 4096];
    assert_eq!(wait(&mut platform), [token(0)]);
    assert_eq!(platform.read(source, &mut buffer), Ok(BYTES_MAX));
}

#[test]
fn an_event_of_an_unknown_handle_is_ignored() {
    let mut platform = platform();
    let listener = platform.listen(ADDRESS, 1).unwrap();
    for kind in 1..6 {
        host::push_event(kind, 4711, abi::SUBTASK_RETURNED);
    }
    assert_eq!(platform.accept(listener), Err(selkie_core::Error::WOULD_BLOCK));
    let error = platform.wait(&mut Events::new(&mut [Event::EMPTY]), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NothingToWaitFor);
}
