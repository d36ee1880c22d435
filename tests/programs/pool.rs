//! The pool: work on other threads, results through a postbox.

use std::io::{Read, Write};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pool");
const REFUSAL: &[u8] = b"a number of at most 1000000, please\n";

#[test]
fn results_come_back_to_the_clients_that_asked_and_in_order() {
    let server = crate::start(PROGRAM, &["--workers", "3"]);
    let mut clients: Vec<_> = (0..20).map(|_| server.target().connect()).collect();
    // Long jobs first, so that an answer that comes when it is ready would be out of order.
    for (number, client) in clients.iter_mut().enumerate() {
        let request = format!("5000\n{}\n10\n", 100 * (number % 3));
        client.write_all(request.as_bytes()).expect("it takes requests");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let expected = format!("669\n{}\n4\n", [0, 25, 46][number % 3]);
        crate::clients::expect(client, expected.as_bytes());
    }
    drop(clients);
    let report = server.stop();
    assert_eq!(report.figure("jobs"), 60);
    assert_eq!(report.figure("had left"), 0);
}

#[test]
fn the_result_for_a_client_that_has_left_is_dropped_and_counted() {
    let server = crate::start(PROGRAM, &["--workers", "1"]);
    let mut first = server.target().connect();
    // The refusal of the first line says that the second is submitted. It takes long enough that
    // the jobs of the others wait behind it.
    crate::ask(&mut first, b"?\n300000\n", REFUSAL);
    for _ in 0..3 {
        let mut leaving = server.target().connect();
        crate::ask(&mut leaving, b"?\n500\n", REFUSAL);
        let socket = socket2::SockRef::from(&leaving);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket takes the option");
        // Closing it is a reset.
        drop(leaving);
    }
    crate::clients::expect(&mut first, b"25997\n");
    // The results of the others are behind that of this job.
    crate::ask(&mut first, b"100\n", b"25\n");
    drop(first);
    let report = server.stop();
    let dropped = report.figure("had left");
    assert!((1..=3).contains(&dropped), "they had left before their turn: {}", report.text);
}

#[test]
fn what_is_no_number_is_answered_and_a_line_without_end_ends_the_connection() {
    let server = crate::start(PROGRAM, &[]);
    let mut client = server.target().connect();
    let request = b"ten\n\n-1\n1000001\n\xff\xfe\n10\n";
    crate::ask(&mut client, request, &[&REFUSAL.repeat(5), &b"4\n"[..]].concat());
    // One byte at a time is as good as all at once.
    for byte in b"100\n" {
        client.write_all(&[*byte]).expect("it takes a byte");
    }
    crate::clients::expect(&mut client, b"25\n");
    assert_eq!(crate::ask_for_all(&mut client, &[b'1'; 4096]).as_bytes(), REFUSAL);
    // A half of a line is no request, and its end is the end of the connection.
    let mut half = server.target().connect();
    half.write_all(b"10\n20").expect("it takes a request");
    half.shutdown(std::net::Shutdown::Write).expect("a socket can be shut down");
    let mut all = String::new();
    half.read_to_string(&mut all).expect("it ends");
    assert_eq!(all, "4\n");
    server.stop();
}

#[test]
fn a_client_that_sends_without_end_has_one_job_at_a_time_and_no_other_waits() {
    let server = crate::start(PROGRAM, &["--workers", "2"]);
    let mut greedy = server.target().connect();
    greedy.write_all("3000\n".repeat(2000).as_bytes()).expect("the kernels take some pages");
    let mut other = server.target().connect();
    for _ in 0..10 {
        crate::ask(&mut other, b"100\n", b"25\n");
    }
    // With answers that it has not read, closing it is a reset, and ends its jobs.
    drop((greedy, other));
    server.stop();
}

#[test]
fn a_drain_waits_for_the_job_of_a_client() {
    let server = crate::start(PROGRAM, &["--workers", "1"]);
    let mut client = server.target().connect();
    crate::ask(&mut client, b"10\n", b"4\n");
    client.write_all(b"50000\n").expect("it takes a request");
    server.terminate();
    let mut all = String::new();
    client.read_to_string(&mut all).expect("it ends");
    assert_eq!(all, "5133\n", "the answer, then the end");
    drop(client);
    server.stopped();
}
