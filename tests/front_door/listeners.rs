//! Unix sockets, and listeners that were opened elsewhere.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use selkie::Builder;
use selkie::front_door::{Finished, Handle, Listening};
use selkie_services::Echo;

/// Serves on a thread of its own. Returns a handle that ends it, and the thread.
fn serve(
    open: impl FnOnce() -> Listening + Send + 'static,
) -> (Handle, thread::JoinHandle<Finished<Echo>>) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let server = open();
        sender.send(server.handle()).expect("the test waits for it");
        server.run(Echo).expect("it serves")
    });
    (receiver.recv().expect("it listens"), thread)
}

/// Sends a message and expects it back.
fn echo(mut client: impl Read + Write) {
    client.write_all(b"hello").expect("the server takes a message");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("the server answers");
    assert_eq!(&answer, b"hello");
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("selkie-door-{}-{name}", std::process::id()))
}

#[test]
fn a_unix_socket_is_served_beside_an_address_and_its_file_is_removed() {
    let at = path("served");
    let given = at.clone();
    let (handle, thread) = serve(move || {
        let any = "127.0.0.1:0".parse().expect("an address");
        let server = Builder::new().connections(4).listen_unix(&given).expect("a free path");
        server.listen(any).expect("a free port")
    });
    echo(UnixStream::connect(&at).expect("the server listens"));
    handle.drain(Duration::from_secs(10));
    let finished = thread.join().expect("no panic");
    assert_eq!(finished.counters.accepted, 1);
    assert!(!at.exists());
}

#[test]
fn a_path_that_cannot_be_had_says_what_to_do() {
    let missing = path("missing").join("socket");
    let error = Builder::new().listen_unix(&missing).expect_err("no such folder").to_string();
    assert!(error.contains("make the folder first"), "{error}");
    let long = path(&"x".repeat(200));
    let error = Builder::new().listen_unix(long).expect_err("too long").to_string();
    assert!(error.contains("choose a shorter one"), "{error}");
    let at = path("occupied");
    std::fs::write(&at, "").expect("the folder can be written to");
    let error = Builder::new().listen_unix(&at).expect_err("no socket").to_string();
    std::fs::remove_file(&at).expect("it is there");
    assert!(error.contains("remove the file if it is no socket"), "{error}");
}

#[test]
fn an_inherited_listener_is_left_open_when_the_server_drains() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let inherited = listener.try_clone().expect("a descriptor");
    let (handle, thread) = serve(move || Builder::new().listen_on(inherited).expect("a listener"));
    echo(TcpStream::connect(address).expect("it listens"));
    handle.drain(Duration::from_secs(10));
    thread.join().expect("no panic");

    // A client of the time between is served by the successor.
    let waiting = TcpStream::connect(address).expect("the listener is open");
    let (handle, thread) = serve(move || Builder::new().listen_on(listener).expect("a listener"));
    echo(waiting);
    handle.stop();
    thread.join().expect("no panic");
}

#[test]
fn what_is_no_listener_is_refused_with_advice() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client =
        TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let error = Builder::new().listen_on(client).expect_err("a stream").to_string();
    assert!(error.contains("no listening socket"), "{error}");
}

#[test]
fn a_main_that_returns_an_error_prints_the_advice() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let error = Builder::new().listen(address).expect_err("another program listens there");
    let printed = format!("{error:?}");
    assert!(printed.contains("stop the program that listens there"), "{printed}");
    assert_eq!(printed, error.to_string());
}
