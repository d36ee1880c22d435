//! Clients that others have written, where they are installed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::server::Server;

const MESSAGE: &[u8] = b"hello from another program\n";

/// Lets a program send a line that it reads from its input, and shows that it prints the answer.
fn talks(program: &str, arguments: impl Fn(SocketAddr) -> Vec<String>) {
    if Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        println!("not run: {program} is not installed");
        return;
    }
    let server = Server::start(selkie::platform::Backend::default().name(), &[]);
    let mut command = Command::new(program);
    command.args(arguments(server.target().address));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is installed");
    let mut input = child.stdin.take().expect("its input is piped");
    input.write_all(MESSAGE).expect("it reads its input");
    input.flush().expect("it reads its input");
    let mut answer = vec![0; MESSAGE.len()];
    let mut output = child.stdout.take().expect("its output is piped");
    output.read_exact(&mut answer).expect("it prints what it receives");
    assert_eq!(answer, MESSAGE);
    drop(input);
    // Some go when their input ends, some only when the server goes.
    server.stop();
    let _ = child.kill();
    child.wait().expect("the child is ours");
}

#[test]
fn netcat_gets_its_line_back() {
    talks("nc", |address| vec![address.ip().to_string(), address.port().to_string()]);
}

#[test]
fn curl_gets_its_line_back() {
    talks("curl", |address| {
        vec!["--silent".into(), "--no-buffer".into(), format!("telnet://{address}")]
    });
}

#[test]
fn python_gets_its_line_back() {
    const SCRIPT: &str = "
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as server:
    server.sendall(sys.stdin.buffer.readline())
    sys.stdout.buffer.write(server.makefile('rb').readline())
    sys.stdout.flush()
";
    talks("python3", |address| {
        vec!["-c".into(), SCRIPT.into(), address.ip().to_string(), address.port().to_string()]
    });
}
