//! Peers that vanish without a word.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use selkie::platform::{KeepAlive, ListenOptions};
use selkie::{Builder, CloseReason};
use selkie_services::Echo;

use crate::network::{in_own_network, set_loopback};

#[test]
fn a_peer_that_vanishes_without_a_word_gives_its_slot_back() {
    in_own_network(
        "vanishing::a_peer_that_vanishes_without_a_word_gives_its_slot_back",
        vanish_and_return,
    );
}

/// Takes the only slot with a peer whose packets no longer arrive. A newcomer gets it.
fn vanish_and_return() {
    let second = Duration::from_secs(1);
    let probes = KeepAlive::DEFAULT.idle(second).interval(second).count(2);
    let (sender, receiver) = mpsc::channel();
    let server = thread::spawn(move || {
        let options = ListenOptions::DEFAULT.keep_alive(Some(probes));
        let settings = Builder::new().connections(1).listen_options(options);
        let any = "127.0.0.1:0".parse().expect("an address");
        let mut server = settings.listen(any).expect("a free port");
        let address = server.local_address().expect("it is bound");
        sender.send((address, server.handle())).expect("the test waits for it");
        server.run(Echo).expect("it serves").counters
    });
    let (address, handle) = receiver.recv().expect("it listens");
    let mut vanished = TcpStream::connect(address).expect("it listens");
    echo(&mut vanished);
    set_loopback("down");
    // The peer would answer once packets arrive again, so they must not before the server closes.
    let end = Instant::now() + 30 * second;
    while is_established(address.port()) {
        assert!(Instant::now() < end, "the server keeps the connection");
        thread::sleep(second / 20);
    }
    set_loopback("up");
    let mut newcomer = TcpStream::connect(address).expect("it listens");
    newcomer.set_read_timeout(Some(20 * second)).expect("a socket takes the option");
    echo(&mut newcomer);
    handle.stop();
    let counters = server.join().expect("no panic");
    assert_eq!(counters.accepted, 2);
    let by_probes: u64 = [CloseReason::Reset, CloseReason::Failed]
        .into_iter()
        .map(|reason| counters.closed_for(reason))
        .sum();
    assert!(by_probes >= 1, "{counters:?}");
}

/// Returns whether an established connection has this local port.
fn is_established(port: u16) -> bool {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/thread-self/net/tcp").expect("Linux has it");
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(&port))
            && fields.get(3) == Some(&ESTABLISHED)
    })
}

/// Sends a message and expects it back.
fn echo(client: &mut TcpStream) {
    client.write_all(b"hello").expect("the server takes a message");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("the server answers");
    assert_eq!(&answer, b"hello");
}
