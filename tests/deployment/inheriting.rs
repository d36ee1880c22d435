//! A listener that is inherited: from a parent process, and from systemd's own tool.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::ask;
use crate::service::{PROGRAM, Service};

#[test]
fn a_listener_that_a_parent_passes_on_is_served_and_outlives_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let service = Service::inherit(&listener);
    assert_eq!(service.address, address);
    ask(address).expect("it is served");
    assert_eq!(service.stop(), 1);

    // A client of the time between waits, and is served by the next one.
    let between = thread::spawn(move || ask(address));
    let service = Service::inherit(&listener);
    between.join().expect("no panic").expect("it is served");
    service.stop();
}

#[test]
fn what_is_passed_on_and_is_no_listener_is_named() {
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3</dev/null";
    let output = Command::new("sh").args(["-c", script, PROGRAM]).output().expect("a shell");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("descriptor 3 is no listener"), "{error}");
}

#[test]
fn systemd_starts_the_service_at_the_first_client() {
    // A port that was free a moment ago: the tool cannot choose one and say so. No other test has
    // this host of the loopback network, so that none takes the port meanwhile.
    let free = TcpListener::bind("127.83.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let activated = Command::new("systemd-socket-activate")
        .args(["-l", &address.to_string(), PROGRAM])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut activated) = activated else {
        eprintln!("NOT RUN: systemd-socket-activate is not installed (Debian: systemd)");
        return;
    };
    wait_until_it_listens(address);
    let served = ask(address);
    // The tool has become the service.
    let _ = activated.kill();
    let _ = activated.wait();
    served.expect("it is served");
}

/// Waits until connections are taken.
fn wait_until_it_listens(address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nothing listens");
        thread::sleep(Duration::from_millis(10));
    }
}
