//! The examples whose services are tasks.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::clients;
use crate::frames::{self, expect, send};
use crate::server::Server;
use crate::upstream::refusing;

const ECHO: &str = env!("CARGO_BIN_EXE_async_echo");
const FRAMES: &str = env!("CARGO_BIN_EXE_async_frames");
const PROXY: &str = env!("CARGO_BIN_EXE_async_proxy");

/// Starts an example on the default backend.
fn start(program: &str, options: &[&str]) -> Server {
    Server::start_with(Command::new(program), selkie::platform::Backend::default().name(), options)
}

#[test]
fn an_echo_task_serves_as_the_echo_service_does() {
    let server = start(ECHO, &["--capacity", "8"]);
    let target = server.target();
    clients::interleaved(&target);
    clients::large_with_half_close(&target, 1_000_000);
    clients::reset_storm(&target, 40);
    clients::churn(&target, 50);
    clients::full_capacity(&target);
    clients::stalled_reader(&target, || target.serves());
    server.stop();
}

#[test]
fn frames_are_answered_in_order() {
    let server = start(FRAMES, &[]);
    let mut client = server.target().connect();
    frames::in_order(&mut client);
    clients::leave(client);
    server.stop();
}

#[test]
fn a_client_that_waits_for_its_answer_delays_no_other() {
    let server = start(FRAMES, &[]);
    let began = Instant::now();
    let (mut slow, mut quick) = (server.target().connect(), server.target().connect());
    let mut slowest = server.target().connect();
    send(&mut slow, b"w\x03\xe8");
    // Its answer takes a minute: longer than the others are kept waiting on any machine.
    send(&mut slowest, b"w\xea\x60");
    for _ in 0..20 {
        send(&mut quick, b"ehello");
        expect(&mut quick, b"hello");
    }
    expect(&mut slow, b"w");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    drop(slowest);
    server.stop();
}

#[test]
fn a_frame_that_is_too_long_or_too_slow_is_answered_and_ends_the_connection() {
    let server = start(FRAMES, &[]);
    let mut long = server.target().connect();
    long.write_all(b"\xff\xffe").expect("the server takes a request");
    expect(&mut long, b"!too long");
    let mut slow = server.target().connect();
    slow.write_all(b"\0\x09e").expect("the server takes a part");
    expect(&mut slow, b"!timed out");
    server.stop();
}

#[test]
fn a_proxy_relays_what_both_sides_send() {
    let echo = start(ECHO, &[]);
    let address = echo.target().address.to_string();
    let proxy = start(PROXY, &["--capacity", "64", &address]);
    let target = clients::Target { capacity: 16, ..proxy.target() };
    clients::interleaved(&target);
    clients::large_with_half_close(&target, 1_000_000);
    clients::churn(&target, 50);
    drop(proxy);
    echo.stop();
}

#[test]
fn a_proxy_for_one_client_has_room_for_its_server() {
    let echo = start(ECHO, &[]);
    let proxy = start(PROXY, &["--capacity", "1", &echo.target().address.to_string()]);
    for _ in 0..2 {
        proxy.target().serves();
    }
    drop(proxy);
    echo.stop();
}

#[test]
fn a_proxy_tries_the_next_server_when_one_refuses() {
    let echo = start(ECHO, &[]);
    let address = echo.target().address.to_string();
    let (_kept, refuses) = refusing();
    let refuses = refuses.to_string();
    let proxy = start(PROXY, &[&refuses, &address]);
    for _ in 0..4 {
        proxy.target().serves();
    }
    let unserved = start(PROXY, &[&refuses]);
    clients::leave(unserved.target().connect());
    drop(unserved);
    drop(proxy);
    echo.stop();
}
