//! Limits by address and rate, as clients see them. Only Linux has more than one loopback address.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::clients::{PATIENCE, comes_true, expect, leave};
use crate::server::Server;

const HTTP: &str = env!("CARGO_BIN_EXE_http");
/// The most that the clocks of two processes differ in what they see.
const SLACK: Duration = Duration::from_millis(200);
const KV: &str = env!("CARGO_BIN_EXE_kv");

/// Connects from an address of this host. A client that is reset may learn it while it connects.
fn connect_from(address: &str, server: &Server) -> io::Result<TcpStream> {
    let own: SocketAddr = format!("{address}:0").parse().expect("an address");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&own.into()).expect("all of 127.0.0.0/8 is this host");
    socket.connect(&server.target().address.into())?;
    let client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Returns whether the server answers a client of `kv`, and has not reset it.
fn is_served(client: &mut TcpStream) -> bool {
    let mut answer = [0; 7];
    client.write_all(b"PING\r\n").is_ok() && client.read_exact(&mut answer).is_ok()
}

/// Returns another client, if it is served. One that is reset may learn it while it connects.
fn newcomer(server: &Server) -> Option<TcpStream> {
    let mut client = TcpStream::connect(server.target().address).ok()?;
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    is_served(&mut client).then_some(client)
}

#[test]
fn an_address_has_as_many_clients_as_it_may_and_others_are_served() {
    let server = crate::start(KV, &["--per-address", "3"]);
    let mut clients: Vec<_> = (0..3).map(|_| server.target().connect()).collect();
    assert!(clients.iter_mut().all(is_served));
    for _ in 0..5 {
        assert!(newcomer(&server).is_none(), "a fourth is reset");
    }
    let other = || connect_from("127.0.0.2", &server);
    let mut others: Vec<_> = (0..3).map(|_| other().expect("it is served")).collect();
    assert!(others.iter_mut().all(is_served));
    assert!(!other().is_ok_and(|mut client| is_served(&mut client)), "a fourth is reset");
    assert!(clients.iter_mut().all(is_served), "those that are served stay");
    leave(clients.pop().expect("three clients"));
    let mut heir = None;
    let has_room = comes_true(|| {
        heir = newcomer(&server);
        heir.is_some()
    });
    assert!(has_room, "a place is free again");
    drop((clients, others, heir));
    let report = server.stop();
    assert!(report.figure("refused by address") >= 6, "{}", report.text);
}

#[test]
fn clients_beyond_the_rate_of_accepts_wait_and_are_served() {
    const ACCEPTS: u32 = 5;
    let server = crate::start(HTTP, &["--accepts", "5"]);
    let began = Instant::now();
    let mut clients: Vec<_> = (0..12).map(|_| server.target().connect()).collect();
    for client in &mut clients {
        let request = b"GET /bytes/3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = crate::ask_for_all(client, request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    // As many at once as in a second, then one after the other.
    let shortest = Duration::from_secs(7) / ACCEPTS;
    assert!(began.elapsed() + SLACK >= shortest, "{:?}", began.elapsed());
    let mut last = server.target().connect();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = crate::ask_for_all(&mut last, request);
    assert!(metrics.contains("\nselkie_refused_by_address_total 0\n"), "{metrics}");
    assert!(!metrics.contains("\nselkie_accepts_delayed_total 0\n"), "{metrics}");
    server.stop();
}

#[test]
fn a_client_is_read_at_its_rate_and_others_at_once() {
    const BYTES: usize = 200_000;
    const RATE: usize = 50_000;
    // One read may take a buffer more.
    const AT_ONCE: usize = RATE + (16 << 10);
    let server = crate::start(crate::server::PROGRAM, &["--rate", "50000"]);
    let began = Instant::now();
    let mut fast = server.target().connect();
    let mut sender = fast.try_clone().expect("a descriptor");
    let sending = std::thread::spawn(move || sender.write_all(&vec![b'x'; BYTES]));
    let mut received = 0;
    let mut modest = server.target().connect();
    let mut bytes = [0; 8192];
    while received < BYTES {
        let count = fast.read(&mut bytes).expect("more comes in time");
        assert!(count > 0, "it ends after {received} bytes");
        received += count;
        modest.write_all(b"ping").expect("it takes a message");
        expect(&mut modest, b"ping");
        let allowed = AT_ONCE + 2 * RATE * began.elapsed().as_millis() as usize / 1000;
        assert!(received <= allowed, "{received} bytes in {:?}", began.elapsed());
    }
    sending.join().expect("no panic").expect("it takes all");
    let shortest = Duration::from_millis(((BYTES - AT_ONCE) * 1000 / RATE) as u64);
    assert!(began.elapsed() + SLACK >= shortest, "{:?}", began.elapsed());
    leave(fast);
    leave(modest);
    let report = server.stop();
    assert!(report.figure("delayed reads") >= 1);
}
