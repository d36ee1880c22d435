//! The peer of a callback: its address, its listener; and parts that are sent as one.

use std::io::{Read, Write};
use std::net::SocketAddr;

use selkie::platform::Backend;
use selkie::{Config, Peer, Service, Token};

use crate::server::{connect, serve};

/// The address of a peer and its listener, in `opened` and in `received`.
#[derive(Default)]
struct Book {
    entries: Vec<(Option<SocketAddr>, Option<Token>)>,
}

impl Service for Book {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.entries.push((peer.remote_address(), peer.listener()));
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        self.entries.push((peer.remote_address(), peer.listener()));
        peer.send_some(bytes)
    }
}

pub(crate) fn peers_and_listeners_are_known(backend: Backend) {
    let mut expected = Vec::new();
    let (book, _) = serve(backend, Config::DEFAULT, Book::default(), |addresses| {
        for address in addresses {
            let mut client = connect(address);
            client.write_all(b"x").expect("the server takes a byte");
            client.read_exact(&mut [0]).expect("the server answers");
            expected.push(client.local_addr().expect("it is connected"));
        }
    });
    let addresses: Vec<_> = book.entries.iter().map(|entry| entry.0).collect();
    let expected: Vec<_> = expected.into_iter().flat_map(|address| [Some(address); 2]).collect();
    assert_eq!(addresses, expected);
    let listeners: Vec<_> = book.entries.iter().map(|entry| entry.1).collect();
    assert!(listeners.iter().all(Option::is_some));
    assert_eq!(listeners[0], listeners[1]);
    assert_eq!(listeners[2], listeners[3]);
    assert_ne!(listeners[0], listeners[2]);
}

/// Frames each piece that it receives.
struct Framer;

impl Service for Framer {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let mut taken = 0;
        for piece in bytes.chunks(1000) {
            let length = u32::try_from(piece.len()).expect("at most 1,000").to_be_bytes();
            if peer.send_parts(&[&length, piece, b"", b"\n"]).is_err() {
                break;
            }
            taken += piece.len();
        }
        taken
    }
}

pub(crate) fn parts_arrive_as_one_and_whole(backend: Backend) {
    serve(backend, Config::DEFAULT, Framer, |[address, _]| {
        let mut client = connect(address);
        let sent = vec![7; 2_000_000];
        let mut writer = client.try_clone().expect("there are descriptors");
        std::thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&sent).expect("the server takes all"));
            let mut total = 0;
            while total < sent.len() {
                let mut length = [0; 4];
                client.read_exact(&mut length).expect("a frame has a length");
                let length = u32::from_be_bytes(length) as usize;
                let mut frame = vec![0; length + 1];
                client.read_exact(&mut frame).expect("a frame is whole");
                assert!(frame[..length].iter().all(|byte| *byte == 7));
                assert_eq!(frame[length], b'\n');
                total += length;
            }
        });
    });
}
