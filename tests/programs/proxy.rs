//! The load balancer, with upstreams of every kind: serving, refusing, silent, resetting.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use socket2::SockRef;

use crate::upstream::{refusing, silent};

const PROGRAM: &str = env!("CARGO_BIN_EXE_proxy");

fn upstream() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// Accepts one connection of the proxy.
fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the proxy connects");
    stream.set_read_timeout(Some(crate::clients::PATIENCE)).expect("the time is not zero");
    stream
}

/// Sends all of `sent`, ends the stream, and receives to the end meanwhile.
fn exchange(stream: &mut TcpStream, sent: &[u8]) -> Vec<u8> {
    let mut writer = stream.try_clone().expect("there are descriptors");
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(sent).expect("the proxy takes all");
            writer.shutdown(Shutdown::Write).expect("the connection is open");
        });
        stream.read_to_end(&mut received).expect("the end comes in time");
    });
    received
}

#[test]
fn both_directions_flow_at_once_and_end_by_themselves() {
    let (listener, address) = upstream();
    let server = crate::start(PROGRAM, &[&address]);
    let mut client = server.target().connect();
    let mut behind = accept(&listener);
    let up: Vec<u8> = (0..=255_u8).cycle().take(3_000_000).collect();
    let down: Vec<u8> = up.iter().rev().copied().collect();
    let (got_down, got_up) = thread::scope(|scope| {
        let other = scope.spawn(|| exchange(&mut behind, &down));
        (exchange(&mut client, &up), other.join().expect("the upstream is behind"))
    });
    assert!(got_up == up && got_down == down, "{} up, {} down", got_up.len(), got_down.len());
    let report = server.stop();
    assert!(report.text.contains("tunnels 1, failures 0, unserved 0"), "{}", report.text);
}

#[test]
fn upstreams_take_turns_and_one_that_fails_is_passed_over() {
    let ((first, one), (second, two)) = (upstream(), upstream());
    let (_kept, refuses) = refusing();
    let server = crate::start(PROGRAM, &[&one, &refuses.to_string(), &two]);
    let mut clients: Vec<_> = (0..6).map(|_| server.target().connect()).collect();
    // The second is passed over for the third.
    let mut behind: Vec<_> = [&first, &second, &first, &second, &second, &second]
        .map(|listener| {
            let mut stream = accept(listener);
            stream.write_all(b"hello").expect("the proxy takes a few bytes");
            stream
        })
        .into();
    for client in &mut clients {
        crate::clients::expect(client, b"hello");
    }
    drop(clients);
    for stream in &mut behind {
        assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);
    }
    drop(behind);
    let report = server.stop();
    assert!(report.text.contains("tunnels 6, failures 2, unserved 0"), "{}", report.text);
}

#[test]
fn a_silent_upstream_is_passed_over_in_time() {
    let (_kept, address) = silent();
    let (listener, live) = upstream();
    let options = [&address.to_string(), &live, "--connect-timeout", "0.2"];
    let server = crate::start(PROGRAM, &options);
    let mut client = server.target().connect();
    client.write_all(b"patient").expect("the proxy takes a few bytes");
    let mut behind = accept(&listener);
    crate::clients::expect(&mut behind, b"patient");
    drop((client, behind));
    let report = server.stop();
    assert!(report.text.contains("tunnels 1, failures 1, unserved 0"), "{}", report.text);
}

#[test]
fn a_client_without_an_upstream_is_closed() {
    let ((_first, one), (_second, two)) = (refusing(), refusing());
    let server = crate::start(PROGRAM, &[&one.to_string(), &two.to_string()]);
    for _ in 0..20 {
        let mut client = server.target().connect();
        let ended = client.read(&mut [0]);
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
    let report = server.stop();
    assert!(report.text.contains("tunnels 0, failures 40, unserved 20"), "{}", report.text);
}

#[test]
fn a_reset_is_passed_on() {
    let (listener, address) = upstream();
    let server = crate::start(PROGRAM, &[&address]);
    let mut client = server.target().connect();
    let mut behind = accept(&listener);
    behind.write_all(b"hello").expect("the proxy takes a few bytes");
    crate::clients::expect(&mut client, b"hello");
    SockRef::from(&behind).set_linger(Some(std::time::Duration::ZERO)).expect("it is a socket");
    drop(behind);
    let reset = client.read(&mut [0]).expect_err("the upstream did not end its stream");
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    server.stop();
}

#[test]
fn a_slow_upstream_slows_its_client_down_and_no_other() {
    let (listener, address) = upstream();
    let server = crate::start(PROGRAM, &[&address]);
    let mut pushing = server.target().connect();
    let slow = accept(&listener);
    pushing.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("not zero");
    let mut pushed = 0;
    while let Ok(count) = pushing.write(&[7; 8192]) {
        pushed += count;
        assert!(pushed < 1 << 28, "the proxy takes without end");
    }
    let mut other = server.target().connect();
    let mut behind = accept(&listener);
    other.write_all(b"quick").expect("the proxy takes a few bytes");
    crate::clients::expect(&mut behind, b"quick");
    drop((pushing, slow, other, behind));
    server.stop();
}

#[test]
fn the_upstream_is_told_who_the_client_is() {
    let (listener, address) = upstream();
    let server = crate::start(PROGRAM, &[&address, "--proxy-protocol"]);
    let mut client = server.target().connect();
    client.write_all(b"hello").expect("the proxy takes a few bytes");
    let (from, to) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    let expected =
        format!("PROXY TCP4 {} {} {} {}\r\nhello", from.ip(), to.ip(), from.port(), to.port());
    let mut behind = accept(&listener);
    crate::clients::expect(&mut behind, expected.as_bytes());
    drop((client, behind));
    server.stop();
}

#[test]
fn a_drain_lets_tunnels_end() {
    let (listener, address) = upstream();
    let server = crate::start(PROGRAM, &[&address]);
    let mut client = server.target().connect();
    let mut behind = accept(&listener);
    // The tunnel stands for the proxy too.
    client.write_all(b"first").expect("the proxy takes a few bytes");
    crate::clients::expect(&mut behind, b"first");
    server.terminate();
    for _ in 0..10 {
        client.write_all(b"request").expect("the tunnel goes on");
        crate::clients::expect(&mut behind, b"request");
        behind.write_all(b"answer").expect("the tunnel goes on");
        crate::clients::expect(&mut client, b"answer");
    }
    drop((client, behind));
    let report = server.stopped();
    assert!(report.text.contains("tunnels 1, failures 0, unserved 0"), "{}", report.text);
}
