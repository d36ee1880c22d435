//! A program that serves on one loop compiles on each native platform. A feature that the platform
//! does not have is an error that says so. Only `selkie::shards` is not there at all on Windows.

#![cfg(any(unix, windows))]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use selkie::platform::{Backend, ListenOptions};
use selkie::sources::{ChildExit, Signals};
use selkie::{Builder, ErrorKind};
use selkie_services::Echo;

/// Checks that Unix has it, and that another system says that it has not.
fn is_as_on_unix<T, E>(result: Result<T, E>, kind: impl Fn(&E) -> ErrorKind) {
    let missing = result.err().map(|error| kind(&error));
    assert_eq!(missing, cfg!(windows).then_some(ErrorKind::Unsupported));
}

#[test]
fn a_unix_socket_is_served_or_unsupported_with_advice() {
    let path = std::env::temp_dir().join(format!("selkie-missing-{}", std::process::id()));
    let opened = Builder::new().connections(4).listen_unix(&path);
    if let Err(error) = &opened {
        let sentence = error.to_string();
        assert!(sentence.contains("127.0.0.1:7000") && sentence.lines().count() == 1, "{sentence}");
    }
    is_as_on_unix(opened, selkie::ServeError::kind);
}

#[test]
fn signals_and_ends_of_children_are_sources_or_unsupported() {
    is_as_on_unix(Signals::new(&[Signals::USER_1]), |error| error.kind());
    // The test itself is a program that every system can run.
    let program = std::env::current_exe().expect("a running program has a path");
    let mut child =
        Command::new(program).arg("--list").stdout(Stdio::null()).spawn().expect("it can be run");
    is_as_on_unix(ChildExit::new(&child), |error| error.kind());
    child.wait().expect("the child is ours");
}

#[test]
fn a_shared_address_is_served_or_unsupported() {
    let options = ListenOptions::DEFAULT.reuse_port(true);
    let builder = Builder::new().connections(4).listen_options(options);
    let opened = builder.listen("127.0.0.1:0".parse().expect("an address"));
    is_as_on_unix(opened, selkie::ServeError::kind);
}

/// Shows that a listener of the standard library is served by a backend.
fn serves_a_listener_from_elsewhere(backend: Backend) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = Builder::new().connections(4).backend(backend).listen_on(listener);
    let server = server.expect("it is a listener");
    let handle = server.handle();
    let client = thread::spawn(move || {
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(b"hello").expect("the server takes a message");
        let mut answer = [0; 5];
        client.read_exact(&mut answer).expect("the server answers");
        assert_eq!(&answer, b"hello");
        drop(client);
        handle.drain(Duration::from_secs(10));
    });
    let finished = server.run(Echo).expect("it serves");
    client.join().expect("the client was served");
    assert_eq!(finished.counters.accepted, 1);
}

#[test]
fn a_listener_that_was_opened_elsewhere_is_served() {
    for backend in Backend::available() {
        serves_a_listener_from_elsewhere(*backend);
    }
}

#[test]
fn a_stream_is_no_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let stream = TcpStream::connect(listener.local_addr().expect("it is bound"));
    let error = Builder::new().listen_on(stream.expect("it listens")).expect_err("it is a stream");
    assert_eq!(error.kind(), ErrorKind::InvalidSource);
}
