//! Faults of a real ring: full queues, peers that reset, operations in flight at the end, a full
//! table of files.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use selkie_core::platform::{Events, Selector, Transport, Wait};
use selkie_core::{ErrorKind, Event, Instant, Interest, Mode, Token};
use selkie_std::uring::{Uring, UringSocket, UringStorage};

use crate::{TOKEN, check, events_of};

/// The rounds within which something has to happen.
const ROUNDS: usize = 1000;

fn ring(sockets: usize) -> Uring {
    Uring::new(UringStorage::leaked(sockets).unwrap()).expect("the system allows it")
}

fn token(index: usize) -> Token {
    Token::new(u32::try_from(index).unwrap(), 1)
}

/// Waits for a short time, and returns the events.
fn wait(platform: &mut Uring) -> Vec<Event> {
    let deadline = platform.now() + Duration::from_millis(20);
    events_of(|events| platform.wait(events, Some(deadline)).unwrap())
}

/// Returns both ends of a TCP connection.
fn pair() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), far)
}

/// Lets `stream` reset its connection when it is closed.
fn reset_on_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    #[expect(clippy::cast_possible_truncation, reason = "a small struct")]
    let length = size_of::<libc::linger>() as libc::socklen_t;
    let (fd, value) = (stream.as_raw_fd(), (&raw const linger).cast());
    // SAFETY: the value is valid for the call, and has the length that is given.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, value, length) });
}

fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is valid for the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) });
    limit.rlim_cur = limit.rlim_max.min(20_000);
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) });
}

#[test]
fn more_than_both_queues_have_places_for_is_all_done() {
    // More than 1,024 completions in one entry, and more than 256 submissions and buffers.
    const PAIRS: usize = 1_300;
    raise_descriptor_limit();
    let mut platform = ring(PAIRS);
    let mut sources = Vec::new();
    let mut peers = Vec::new();
    for index in 0..PAIRS {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&index.to_le_bytes()).unwrap();
        let source = platform.adopt(near.into()).map_err(|(error, _)| error).unwrap();
        platform.register(source, token(index), Interest::READABLE, Mode::Level).unwrap();
        platform.write(source, &index.to_be_bytes()).unwrap();
        sources.push(source);
        peers.push(far);
    }
    let mut seen = vec![false; PAIRS];
    let mut slots = vec![Event::EMPTY; PAIRS];
    for _ in 0..ROUNDS {
        let mut events = Events::new(&mut slots);
        let deadline = platform.now() + Duration::from_millis(20);
        platform.wait(&mut events, Some(deadline)).unwrap();
        let indices: Vec<usize> = events.iter().map(|event| event.token.index()).collect();
        for index in indices {
            let mut bytes = [0; 16];
            let count = platform.read(sources[index], &mut bytes).unwrap();
            assert_eq!(bytes[..count], index.to_le_bytes(), "the bytes of another");
            assert!(!std::mem::replace(&mut seen[index], true), "bytes that were taken");
        }
        if seen.iter().all(|seen| *seen) {
            break;
        }
    }
    assert!(seen.iter().all(|seen| *seen), "some have received nothing");
    for (index, peer) in peers.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, index.to_be_bytes());
    }
}

#[test]
fn a_peer_that_resets_with_data_in_flight_fails_its_connection_alone() {
    let mut platform = ring(4);
    let ((near, far), (other, mut other_far)) = (pair(), pair());
    let source = platform.adopt(near).map_err(|(error, _)| error).unwrap();
    let other = platform.adopt(other).map_err(|(error, _)| error).unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    platform.register(source, TOKEN, both, Mode::Level).unwrap();
    platform.register(other, token(1), Interest::READABLE, Mode::Level).unwrap();
    // Until the kernel has a send that waits for the peer.
    for _ in 0..ROUNDS {
        if platform.write(source, &[7; 16 << 10]).is_err() {
            break;
        }
        platform.submit().unwrap();
    }
    reset_on_close(&far);
    drop(far);
    let failed = (0..ROUNDS).any(|_| {
        let events = wait(&mut platform);
        let is_told = events.iter().any(|event| event.token == TOKEN);
        is_told && matches!(platform.write(source, b"x"), Err(error) if !error.is_would_block())
    });
    assert!(failed, "the reset is never reported");
    let mut bytes = [0; 8];
    // The system reports the reset to one of the two directions, and an end to the other.
    match platform.read(source, &mut bytes) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    other_far.write_all(b"hello").unwrap();
    assert!((0..ROUNDS).any(|_| wait(&mut platform).iter().any(|event| event.token == token(1))));
    assert_eq!(platform.read(other, &mut bytes), Ok(5));
}

#[test]
fn a_ring_that_is_dropped_with_operations_in_flight_closes_all() {
    let mut platform = ring(8);
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).unwrap();
    let address = platform.local_address(listener).unwrap();
    platform.register(listener, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    let mut peers = Vec::new();
    for index in 1..6 {
        let (near, mut far) = pair();
        let source = platform.adopt(near).map_err(|(error, _)| error).unwrap();
        platform.register(source, token(index), Interest::READABLE, Mode::Level).unwrap();
        // One that receives on, and one that also sends what its peer does not take.
        far.write_all(b"hello").unwrap();
        let is_stalled = index % 2 == 0;
        while is_stalled && platform.write(source, &[7; 16 << 10]).is_ok() {
            platform.submit().unwrap();
        }
        peers.push(far);
    }
    for _ in 0..3 {
        wait(&mut platform);
    }
    // It ends although the peers do nothing: a drop that hung would hang the test.
    drop(platform);
    assert!(TcpStream::connect(address).is_err(), "the listener is closed");
    for mut peer in peers {
        let mut bytes = [0; 4096];
        let end = loop {
            match peer.read(&mut bytes) {
                Ok(1..) => {}
                end => break end,
            }
        };
        let is_reset = |error: &std::io::Error| error.kind() == IoErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(is_reset, |count| *count == 0), "{end:?}");
    }
}

#[test]
fn a_paused_connection_that_is_flooded_takes_no_buffer_of_others() {
    let mut platform = ring(16);
    let mut flooded = Vec::new();
    for index in 0..10 {
        let (near, mut far) = pair();
        let source = platform.adopt(near).map_err(|(error, _)| error).unwrap();
        platform.register(source, token(index), Interest::READABLE, Mode::Level).unwrap();
        // Served until now, so that its receive goes on.
        serve_once(&mut platform, source, &mut far);
        flooded.push((source, far));
    }
    let (near, mut far) = pair();
    let source = platform.adopt(near).map_err(|(error, _)| error).unwrap();
    platform.register(source, token(10), Interest::READABLE, Mode::Level).unwrap();
    serve_once(&mut platform, source, &mut far);
    for (_, far) in &mut flooded {
        far.set_nonblocking(true).unwrap();
        while far.write(&[7; 4096]).is_ok() {}
    }
    for _ in 0..20 {
        wait(&mut platform);
        serve_once(&mut platform, source, &mut far);
    }
}

/// Lets the peer send five bytes, and reads them.
fn serve_once(platform: &mut Uring, source: UringSocket, far: &mut TcpStream) {
    far.write_all(b"hello").unwrap();
    let mut bytes = [0; 8];
    for _ in 0..ROUNDS {
        wait(platform);
        match platform.read(source, &mut bytes) {
            Err(error) if error.is_would_block() => thread::yield_now(),
            read => return assert_eq!(read, Ok(5)),
        }
    }
    panic!("nothing is received");
}

#[test]
fn a_connection_gets_its_bytes_beside_more_busy_ones_than_there_are_buffers() {
    const BUSY: usize = 600;
    const TURNS_MAX: usize = 8;

    raise_descriptor_limit();
    let mut platform = ring(BUSY + 1);
    let (mut sources, mut clients) = (Vec::new(), Vec::new());
    for index in 0..=BUSY {
        let (near, mut far) = pair();
        // Busy ones have bytes for 30 turns.
        let count = if index == BUSY { 5 } else { 60 << 10 };
        far.write_all(&vec![7; count]).unwrap();
        // Turns are counted, so the first of its bytes have to be there.
        let near = TcpStream::from(near);
        assert!(near.peek(&mut [0]).unwrap() > 0);
        let source = platform.adopt(near.into()).unwrap();
        platform.register(source, token(index), Interest::READABLE, Mode::Level).unwrap();
        sources.push(source);
        clients.push(far);
    }
    let (mut slots, mut bytes) = (vec![Event::EMPTY; 1024], [0; 2048]);
    for _ in 0..TURNS_MAX {
        let mut events = Events::new(&mut slots);
        platform.poll(Instant::ZERO, &mut events).unwrap();
        for event in &events {
            let index = event.token.index();
            let count = platform.read(sources[index], &mut bytes).unwrap();
            if index == BUSY {
                return assert_eq!(count, 5);
            }
        }
    }
    panic!("it has found no buffer in {TURNS_MAX} turns");
}
