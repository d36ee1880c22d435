//! The DNS server: queries that are none, resolvers that refuse, are silent, or are not the one
//! that was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};

use crate::server::Server;
use crate::{answer_to, answer_to_half, beside, clients, trickle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dns");
const NAME: &[u8] = b"\x06selkie\x04test\0";
const ELSE: &[u8] = b"\x04else\x04test\0";
/// The type and the class of an address.
const ADDRESS: &[u8] = &[0, 1, 0, 1];

fn start(options: &[&str]) -> Server {
    crate::start(PROGRAM, &[&["--host", "selkie.test=192.0.2.1"], options].concat())
}

/// Returns a query with this head, name, type and class.
fn query(head: [u8; 10], name: &[u8], rest: &[u8]) -> Vec<u8> {
    [&[0, 7], &head[..], name, rest].concat()
}

/// Returns a good query for a name.
fn ask(name: &[u8]) -> Vec<u8> {
    query([1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, ADDRESS)
}

/// Returns a message as TCP carries it.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a short message");
    [&length.to_be_bytes(), message].concat()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(clients::PATIENCE)).expect("a socket takes the option");
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut message = [0; 2048];
    let received = clients::uninterrupted(|| socket.recv_from(&mut message));
    let (length, from) = received.expect("a message in time");
    (message[..length].to_vec(), from)
}

/// Shows that both transports answer.
fn serves(server: &Server) {
    let client = socket();
    client.send_to(&ask(NAME), server.target().address).expect("it is sent");
    assert!(receive(&client).0.ends_with(&[192, 0, 2, 1]));
    let mut client = server.target().connect();
    client.write_all(&framed(&ask(NAME))).expect("it is sent");
    let mut answer = vec![0; framed(&ask(NAME)).len() + 16];
    client.read_exact(&mut answer).expect("an answer in time");
    assert!(answer.ends_with(&[192, 0, 2, 1]));
}

/// Returns queries, the code of their answers and the number of records in these; without an answer
/// 255.
fn cases() -> Vec<(Vec<u8>, u8, u8)> {
    let head = |flags: u8, questions: u8| [flags, 0, 0, questions, 0, 0, 0, 0, 0, 0];
    let with = |name: &[u8]| query(head(1, 1), name, ADDRESS);
    let of = |record: u8, class: u8| query(head(1, 1), NAME, &[0, record, 0, class]);
    let mut extended = query([1, 0, 0, 1, 0, 0, 0, 0, 0, 1], NAME, ADDRESS);
    extended.extend([0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]);
    let good = ask(NAME);
    vec![
        (good.clone(), 0, 1),
        (extended, 0, 1),
        (with(b"\x06SELKIE\x04Test\0"), 0, 1),
        (of(255, 1), 0, 1),
        (of(28, 1), 0, 0),
        (of(252, 1), 5, 0),
        (of(1, 3), 5, 0),
        (with(b"\0"), 3, 0),
        (query(head(3, 1), NAME, ADDRESS), 0, 1),
        (query(head(1, 0), NAME, ADDRESS), 1, 0),
        (query(head(1, 2), NAME, &[ADDRESS, NAME, ADDRESS].concat()), 1, 0),
        (with(b"\xc0\x0c"), 1, 0),
        (with(b"\x01a\xc0\x0c"), 1, 0),
        (with(&[&[64; 65][..], b"\0"].concat()), 1, 0),
        (with(&[&[&[63; 64][..]; 5].concat()[..], b"\0"].concat()), 1, 0),
        (good[..20].to_vec(), 1, 0),
        (good[..good.len() - 1].to_vec(), 1, 0),
        (good[..12].to_vec(), 1, 0),
        (query(head(0x11, 1), NAME, ADDRESS), 4, 0),
        (query(head(0x81, 1), NAME, ADDRESS), 255, 0),
        (good[..11].to_vec(), 255, 0),
        (Vec::new(), 255, 0),
    ]
}

#[test]
fn every_message_is_answered_by_its_code_over_udp_and_tcp() {
    let server = start(&[]);
    let (client, address) = (socket(), server.target().address);
    beside(
        || serves(&server),
        || {
            for (query, code, records) in cases() {
                client.send_to(&query, address).expect("it is sent");
                let over_tcp = answer_to_half(&server, &framed(&query));
                if code == 255 {
                    assert_eq!(over_tcp, b"", "{query:?}");
                    continue;
                }
                let (answer, _) = receive(&client);
                assert_eq!((answer[3] & 0xf, answer[7]), (code, records), "{query:?}: {answer:?}");
                assert_eq!(over_tcp, framed(&answer), "{query:?}");
            }
            // Longer than any message: over TCP it is said before it comes.
            client.send_to(&[ask(NAME), vec![0; 4000]].concat(), address).expect("it is sent");
            assert_eq!(receive(&client).0[3], 1);
            assert_eq!(answer_to(&server, b"\xff\xff\0\x07"), b"");
        },
    );
    let report = server.stop();
    assert!(report.figure("errors") >= 10 && report.figure("ignored") >= 2, "{}", report.text);
    assert!(report.figure("malformed") >= 3, "{}", report.text);
}

#[test]
fn queries_over_tcp_that_are_slow_cut_off_or_closed_in_the_middle_make_room() {
    let server = start(&["--query-timeout", "0.4", "--capacity", "8"]);
    let good = framed(&ask(NAME));
    beside(
        || serves(&server),
        || {
            // The first piece is more than a length, then the rest is slow.
            let mut slow = server.target().connect();
            slow.write_all(&good[..5]).expect("it is sent");
            let sent = 5 + trickle(&mut slow, &framed(&[0; 1000])[5..]);
            assert!(sent < 900, "a slow query goes on");
            assert_eq!(crate::rest(&mut slow), b"");
            for end in [1, 2, 5, good.len() - 1] {
                assert_eq!(answer_to_half(&server, &good[..end]), b"", "{end} bytes");
            }
            crate::close_in_the_middle(&server, &good.repeat(3));
        },
    );
    let report = server.stop();
    assert!(report.figure("malformed") >= 1, "{}", report.text);
}

#[test]
fn queries_are_pipelined_without_end_and_all_answered_once_they_are_read() {
    let server = start(&[]);
    beside(
        || serves(&server),
        || {
            let query = framed(&ask(NAME));
            let mut client = server.target().connect();
            client.write_all(&query).expect("it is sent");
            let mut answer = vec![0; query.len() + 16];
            client.read_exact(&mut answer).expect("an answer in time");
            crate::expect_pipelined(&mut client, &query, &answer);
            clients::leave(client);
        },
    );
    server.stop();
}

#[test]
fn a_resolver_that_is_silent_refuses_or_is_another_gives_a_failure_in_time() {
    let resolver = socket();
    let upstream = resolver.local_addr().expect("it is bound").to_string();
    // A socket that is connected to another address refuses what others send.
    let elsewhere = socket();
    elsewhere.connect(&upstream).expect("an address of this machine");
    let refusing = elsewhere.local_addr().expect("it is bound").to_string();
    for upstream in [&upstream, &refusing] {
        let server = start(&["--upstream", upstream, "--retry", "0.05"]);
        let (client, address) = (socket(), server.target().address);
        beside(
            || serves(&server),
            || {
                client.send_to(&ask(ELSE), address).expect("it is sent");
                let (answer, _) = receive(&client);
                assert_eq!(
                    (answer[1], answer[3] & 0xf),
                    (7, 2),
                    "{answer:?}: a failure of the server"
                );
                // Over TCP nothing is asked, and nothing is said about a name that may exist.
                let answer = answer_to_half(&server, &framed(&ask(ELSE)));
                assert_eq!(answer[5] & 0xf, 5, "{answer:?}: refused");
            },
        );
        let report = server.stop();
        assert_eq!((report.figure("retransmitted"), report.figure("failed")), (3, 1));
    }
}

#[test]
fn an_answer_counts_only_from_the_resolver_with_its_number_and_its_question() {
    let resolver = socket();
    let upstream = resolver.local_addr().expect("it is bound").to_string();
    let server = start(&["--upstream", &upstream, "--retry", "5"]);
    let (client, address) = (socket(), server.target().address);
    beside(
        || serves(&server),
        || {
            client.send_to(&ask(ELSE), address).expect("it is sent");
            let (asked, from) = receive(&resolver);
            let answer = |record: &[u8]| {
                let mut answer = asked.clone();
                answer[2] |= 0x80;
                answer.extend(record);
                answer
            };
            let record = |last| [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 198, 51, 100, last];
            // From another address, under another number, to another question, a query, a part.
            socket().send_to(&answer(&record(1)), from).expect("it is sent");
            let mut wrong = answer(&record(2));
            wrong[1] ^= 1;
            resolver.send_to(&wrong, from).expect("it is sent");
            let mut wrong = answer(&record(3));
            wrong[13] ^= 1;
            resolver.send_to(&wrong, from).expect("it is sent");
            let query = [&asked[..], &record(4)].concat();
            resolver.send_to(&query, from).expect("it is sent");
            resolver.send_to(&asked[..13], from).expect("it is sent");
            resolver.send_to(b"", from).expect("it is sent");
            resolver.send_to(&answer(&record(5)), from).expect("it is sent");
            let (answer, _) = receive(&client);
            assert!(answer[..2] == [0, 7] && answer.ends_with(&[198, 51, 100, 5]), "{answer:?}");
        },
    );
    let report = server.stop();
    assert!(report.figure("ignored") >= 4, "{}", report.text);
}

#[test]
fn an_answer_that_is_too_long_is_passed_on_as_one_that_is_cut() {
    let resolver = socket();
    let upstream = resolver.local_addr().expect("it is bound").to_string();
    let server = start(&["--upstream", &upstream, "--retry", "5"]);
    let (client, address) = (socket(), server.target().address);
    client.send_to(&ask(b"\x04long\x04test\0"), address).expect("it is sent");
    let (asked, from) = receive(&resolver);
    let mut long = [&asked[..], &[0; 2000]].concat();
    long[2] |= 0x80;
    resolver.send_to(&long, from).expect("it is sent");
    let (answer, _) = receive(&client);
    assert_eq!((answer[2] & 2, answer.len()), (2, asked.len()), "{answer:?}");
    server.stop();
}

#[test]
fn names_and_addresses_that_are_none_are_refused_at_the_start() {
    for (option, value) in [
        ("--host", "selkie.test"),
        ("--host", "selkie.test=192.0.2"),
        ("--host", "selkie.test=::1"),
        ("--upstream", "resolver.test:53"),
        ("--upstream", "127.0.0.1"),
    ] {
        let mut command = crate::server::command(PROGRAM);
        let output = command.args(["127.0.0.1:0", option, value]).output().expect("it can be run");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(value) && error.lines().count() == 1, "{error}");
    }
}
