//! A platform over `io_uring` beyond the contract: threads, memory, closes that take long.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use selkie_core::platform::{Close, Selector, Transport, Wait};
use selkie_core::{ErrorKind, Instant, Interest, Mode};
use selkie_std::uring::{Uring, UringSocket, UringStorage};

use crate::{TOKEN, events_of};

pub(crate) fn ring(sockets: usize) -> Uring {
    Uring::new(UringStorage::leaked(sockets).unwrap()).expect("the system allows it")
}

/// Returns a ring that has accepted a connection, and the client's end of it.
pub(crate) fn connected(platform: &mut Uring) -> (UringSocket, TcpStream) {
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).unwrap();
    let client = TcpStream::connect(platform.local_address(listener).unwrap()).unwrap();
    let source = loop {
        match platform.accept(listener) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            accepted => break accepted.unwrap(),
        }
    };
    platform.close(listener, Close::Graceful).unwrap();
    (source, client)
}

/// Waits once.
pub(crate) fn wait(platform: &mut Uring, at_most: Duration) {
    let deadline = platform.now() + at_most;
    let _ = events_of(|events| platform.wait(events, Some(deadline)).unwrap());
}

/// Writes more than the buffers of both sides take, and returns the number of bytes that were
/// taken. The kernels may move some on for a while after a write was refused.
fn fill(platform: &mut Uring, source: UringSocket) -> usize {
    const REFUSALS: usize = 50;

    let (mut written, mut refusals) = (0, 0);
    while refusals < REFUSALS {
        if let Ok(count) = platform.write(source, &[7; 4096]) {
            (written, refusals) = (written + count, 0);
        } else {
            refusals += 1;
            wait(platform, Duration::from_millis(2));
        }
        platform.submit().unwrap();
    }
    written
}

#[test]
fn a_platform_is_made_on_one_thread_and_runs_on_another_and_on_no_third() {
    let mut platform = ring(4);
    let deadline = Some(platform.now());
    let mut platform = thread::spawn(move || {
        let _ = events_of(|events| platform.wait(events, deadline).unwrap());
        platform
    })
    .join()
    .unwrap();
    let _ = events_of(|events| {
        let error = platform.wait(events, deadline).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
    let _ = events_of(|events| {
        let error = platform.poll(Instant::ZERO, events).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_closed_connection_whose_peer_takes_nothing_gives_its_place_back() {
    let mut platform = ring(2).with_close_timeout(Duration::from_millis(50));
    let (source, mut client) = connected(&mut platform);
    fill(&mut platform, source);
    platform.close(source, Close::Graceful).unwrap();
    // The listener gives its place back at once, the connection does not.
    for _ in 0..3 {
        let _ = events_of(|events| platform.poll(Instant::ZERO, events).unwrap());
    }
    let (first, _first_peer) = connected_pair();
    platform.adopt(first).expect("a place is left");
    let mut waiting = Some(connected_pair());
    for _ in 0..1000 {
        let (fd, peer) = waiting.take().unwrap();
        match platform.adopt(fd) {
            Ok(_) => break,
            Err((error, fd)) => {
                assert_eq!(error.kind(), ErrorKind::Full);
                waiting = Some((fd, peer));
            }
        }
        wait(&mut platform, Duration::from_millis(20));
    }
    assert!(waiting.is_none(), "the place is never given back");
    // The peer finds a reset, not an end.
    let mut all = Vec::new();
    assert!(client.read_to_end(&mut all).is_err());
}

#[test]
fn a_closed_connection_whose_peer_takes_its_time_gets_everything() {
    // Longer than a busy machine keeps the peer from taking some.
    let mut platform = ring(4).with_close_timeout(Duration::from_secs(20));
    let (source, mut client) = connected(&mut platform);
    let written = fill(&mut platform, source);
    platform.close(source, Close::Graceful).unwrap();
    let reader = thread::spawn(move || {
        let (mut all, mut bytes) = (0, vec![0; 1 << 16]);
        loop {
            match client.read(&mut bytes).unwrap() {
                0 => return all,
                count => all += count,
            }
        }
    });
    while !reader.is_finished() {
        wait(&mut platform, Duration::from_secs(1));
    }
    assert_eq!(reader.join().unwrap(), written);
}

/// Returns both ends of a TCP connection.
fn connected_pair() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), far)
}

#[test]
fn an_adopted_listener_never_blocks() {
    let mut platform = ring(4);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = platform.adopt(listener.into()).unwrap();
    platform.register(listener, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(platform.accept(listener).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut client = TcpStream::connect(address).unwrap();
    let accepted = (0..1000).find_map(|_| {
        wait(&mut platform, Duration::from_millis(20));
        platform.accept(listener).ok()
    });
    let source = accepted.expect("the client is accepted");
    assert_eq!(platform.write(source, b"hello"), Ok(5));
    platform.submit().unwrap();
    let mut bytes = [0; 5];
    client.read_exact(&mut bytes).unwrap();
    client.write_all(&bytes).unwrap();
}

#[test]
fn an_adopted_file_is_blocking_again_after_it_is_closed() {
    let mut platform = ring(4);
    let (reader, _writer) = std::io::pipe().unwrap();
    let duplicate = OwnedFd::from(reader.try_clone().unwrap());
    let source = platform.adopt(reader.into()).unwrap();
    assert!(is_nonblocking(&duplicate));
    platform.close(source, Close::Graceful).unwrap();
    for _ in 0..3 {
        let _ = events_of(|events| platform.poll(Instant::ZERO, events).unwrap());
    }
    assert!(!is_nonblocking(&duplicate));
}

pub(crate) fn is_nonblocking(fd: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd;

    // SAFETY: the call takes no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn the_memory_of_1024_connections_is_stated() {
    let storage = UringStorage::leaked(1025).unwrap();
    // 10 buffers of 2 KiB for input and 16 KiB for output in each of 1,090 places, 512 buffers
    // more, and the queues and tables.
    let mebibytes = storage.memory() >> 20;
    assert_eq!(mebibytes, 40);
}
