//! Descriptors that a ring gives back, with what the kernel has received and accepted for them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use selkie_core::platform::{Close, Selector, Transport};
use selkie_core::{ErrorKind, Instant, Interest, Mode};
use selkie_std::uring::{Uring, UringSocket};

use crate::ring::{connected, is_nonblocking, ring, wait};
use crate::{TOKEN, events_of};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `count` bytes have been received and not read.
fn wait_for_bytes(platform: &mut Uring, source: UringSocket, count: usize) {
    let mut bytes = [0; 4096];
    for _ in 0..1000 {
        if platform.peek(source, &mut bytes).is_ok_and(|received| received >= count) {
            return;
        }
        wait(platform, Duration::from_millis(10));
    }
    panic!("the bytes do not arrive");
}

#[test]
fn a_connection_is_released_with_what_was_received_for_it() {
    let mut platform = ring(4);
    let (source, mut client) = connected(&mut platform);
    platform.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    client.write_all(b"first").unwrap();
    wait_for_bytes(&mut platform, source, 5);
    // A receive that goes on takes it, while nothing reads.
    client.write_all(b" second").unwrap();
    wait_for_bytes(&mut platform, source, 12);

    let error = platform.release(source, &mut [0; 11]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let events = events_of(|events| platform.poll(Instant::ZERO, events).unwrap());
    assert_eq!(events.len(), 1, "it is still watched");

    let mut unread = [0; 64];
    let (fd, count) = platform.release(source, &mut unread).unwrap();
    assert_eq!(&unread[..count], b"first second");
    assert_eq!(platform.fd(source).unwrap_err().kind(), ErrorKind::Stale);
    // What follows is the new owner's, and the token is free.
    client.write_all(b"third").unwrap();
    let source = platform.adopt(fd).unwrap();
    platform.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    wait_for_bytes(&mut platform, source, 5);
}

#[test]
fn a_connection_with_pending_output_is_not_released() {
    let mut platform = ring(4);
    let (source, mut client) = connected(&mut platform);
    platform.write(source, b"answer").unwrap();
    let error = platform.release(source, &mut []).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    platform.submit().unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
}

#[test]
fn a_connection_that_moves_from_ring_to_ring_loses_no_byte() {
    const ALL: usize = 1 << 20;

    let mut rings = [ring(2), ring(2)];
    let (source, mut client) = connected(&mut rings[0]);
    let mut source = source;
    let sender = thread::spawn(move || {
        let bytes: Vec<u8> = (0..=250).cycle().take(ALL).collect();
        bytes.chunks(777).for_each(|part| client.write_all(part).unwrap());
        client
    });
    let (mut all, mut bytes, mut moves) = (Vec::with_capacity(ALL), [0; 4096], 0);
    let mut unread = [0; 4096];
    while all.len() < ALL {
        let platform = &mut rings[moves % 2];
        platform.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
        for _ in 0..3 {
            wait(platform, PATIENCE);
            if let Ok(count) = platform.read(source, &mut bytes) {
                all.extend_from_slice(&bytes[..count]);
            }
            if all.len() == ALL {
                break;
            }
        }
        let (fd, count) = loop {
            match platform.release(source, &mut unread) {
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    let count = platform.read(source, &mut bytes).unwrap();
                    all.extend_from_slice(&bytes[..count]);
                }
                released => break released.unwrap(),
            }
        };
        all.extend_from_slice(&unread[..count]);
        moves += 1;
        source = rings[moves % 2].adopt(fd).expect("the place before is free");
    }
    assert!(all.iter().copied().eq((0..=250).cycle().take(ALL)));
    assert!(moves > 10, "it was moved {moves} times");
    drop(sender.join().unwrap());
}

#[test]
fn a_listener_is_released_open_with_the_connections_that_it_has_accepted() {
    const CLIENTS: usize = 50;

    let mut platform = ring(200);
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 128).unwrap();
    let address = platform.local_address(listener).unwrap();
    platform.register(listener, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    wait(&mut platform, Duration::ZERO);
    let clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
    wait(&mut platform, PATIENCE);
    let first = platform.accept(listener).unwrap();

    let mut accepted = Vec::new();
    let fd = platform.release_listener(listener, |fd| accepted.push(fd)).unwrap();
    assert!(!accepted.is_empty(), "the kernel has accepted ahead");
    let late = TcpStream::connect(address).unwrap();
    let heir = TcpListener::from(fd);
    while accepted.len() < CLIENTS {
        accepted.push(OwnedFd::from(heir.accept().unwrap().0));
    }
    heir.set_nonblocking(true).unwrap();
    assert!(heir.accept().is_err(), "each client was accepted once");
    drop((clients, late));
    platform.close(first, Close::Graceful).unwrap();
    let error = platform.release_listener(listener, drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale);
}

#[test]
fn only_a_listener_is_released_as_a_listener() {
    let mut platform = ring(4);
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).unwrap();
    let error = platform.release(listener, &mut []).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSource);
    let (source, _client) = connected(&mut platform);
    let error = platform.release_listener(source, drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSource);
}

#[test]
fn a_file_that_is_released_blocks_again() {
    let mut platform = ring(4);
    let (reader, _writer) = std::io::pipe().unwrap();
    let duplicate = OwnedFd::from(reader.try_clone().unwrap());
    let source = platform.adopt(reader.into()).unwrap();
    platform.register(source, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    let _ = events_of(|events| platform.poll(Instant::ZERO, events).unwrap());
    assert!(is_nonblocking(&duplicate));
    let (fd, count) = platform.release(source, &mut []).unwrap();
    assert_eq!(count, 0);
    assert!(!is_nonblocking(&fd) && !is_nonblocking(&duplicate));
}
