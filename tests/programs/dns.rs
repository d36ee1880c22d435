//! The DNS server: real queries over UDP and TCP, a resolver that does not answer at once, and
//! `dig` where it is installed.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dns");

/// Starts the server with two hosts.
fn start(options: &[&str]) -> Server {
    let hosts = ["--host", "selkie.test=192.0.2.1", "--host", "two.test=192.0.2.2"];
    crate::start(PROGRAM, &[&hosts[..], options].concat())
}

/// Returns a query for the addresses of a name.
fn query(id: u8, name: &str) -> Vec<u8> {
    let mut query = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for part in name.split('.') {
        query.push(u8::try_from(part.len()).expect("a short name"));
        query.extend(part.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// Returns a socket that waits for answers, but not without end.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket takes the option");
    socket
}

/// Receives one message.
fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut message = [0; 2048];
    let length = socket.recv(&mut message).expect("an answer in time");
    message[..length].to_vec()
}

#[test]
fn names_are_answered_over_udp_and_tcp_on_one_port() {
    let server = start(&[]);
    let (address, client) = (server.target().address, socket());
    client.send_to(&query(7, "selkie.test"), address).expect("it is sent");
    let answer = receive(&client);
    assert_eq!((answer[1], answer[3]), (7, 0));
    assert!(answer.ends_with(&[0, 4, 192, 0, 2, 1]), "{answer:?}");

    // Two pipelined queries, the second in two pieces.
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket takes the option");
    let mut both = Vec::new();
    for (id, name) in [(1, "two.test"), (2, "none.test")] {
        let query = query(id, name);
        both.extend(u16::try_from(query.len()).expect("a short query").to_be_bytes());
        both.extend(query);
    }
    let (first, second) = both.split_at(both.len() - 5);
    stream.write_all(first).expect("it is sent");
    let mut answer = vec![0; 2 + query(1, "two.test").len() + 16];
    stream.read_exact(&mut answer).expect("the first answer");
    assert!(answer.ends_with(&[0, 4, 192, 0, 2, 2]), "{answer:?}");
    stream.write_all(second).expect("it is sent");
    let mut answer = vec![0; 2 + query(2, "none.test").len()];
    stream.read_exact(&mut answer).expect("the second answer");
    assert_eq!((answer[3], answer[5] & 0xf), (2, 3), "no such name");
    drop(stream);
    server.stop();
}

#[test]
fn a_name_that_is_not_in_the_table_is_asked_for_until_the_resolver_answers() {
    let resolver = socket();
    let upstream = resolver.local_addr().expect("it is bound").to_string();
    let server = start(&["--upstream", &upstream]);
    let (address, client) = (server.target().address, socket());
    // Read before the first question: the second may be there when this thread has its turn.
    let began = Instant::now();
    client.send_to(&query(9, "else.test"), address).expect("it is sent");
    let mut message = [0; 512];
    let (length, from) = resolver.recv_from(&mut message).expect("it is asked");
    let again = resolver.recv_from(&mut message).expect("it is asked again");
    assert_eq!(again, (length, from));
    assert!(began.elapsed() > Duration::from_millis(300), "not at once");
    // The answer of another, under a guessed number, is not passed on.
    let mut answer = message[..length].to_vec();
    answer[2] |= 0x80;
    let stranger = socket();
    stranger.send_to(&answer, from).expect("it is sent");
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 198, 51, 100, 7]);
    resolver.send_to(&answer, from).expect("it is sent");
    let answer = receive(&client);
    assert_eq!(answer[..2], [0, 9]);
    assert!(answer.ends_with(&[198, 51, 100, 7]));
    let report = server.stop();
    assert_eq!(report.figure("forwarded"), 1);
    assert!(report.figure("retransmitted") >= 1, "{}", report.text);
}

#[test]
fn garbage_stops_no_answer() {
    let server = start(&[]);
    let (address, client) = (server.target().address, socket());
    for garbage in [&b""[..], b"x", &[0xff; 40], &[0; 600], &[0x80; 2000]] {
        client.send_to(garbage, address).expect("it is sent");
    }
    client.send_to(&query(3, "selkie.test"), address).expect("it is sent");
    while receive(&client)[..2] != [0, 3] {}
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(&[0xff; 3000]).expect("it is sent");
    drop(stream);
    server.stop();
}

#[test]
fn dig_gets_its_answers() {
    let server = start(&[]);
    let port = server.target().address.port().to_string();
    for transport in ["+notcp", "+tcp"] {
        let dig = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+short", "+time=10", transport, "SELKIE.test"])
            .output();
        let Ok(output) = dig else {
            eprintln!("NOT RUN: dig is not installed (Debian: dnsutils)");
            break;
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout), "192.0.2.1\n", "{transport}");
    }
    server.stop();
}
