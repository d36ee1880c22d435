//! An outgoing HTTP request of WASI 0.2 and 0.3 in the loop of a server.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::clients::PATIENCE;
use crate::runtime::{COMPONENT_RUNTIMES, Runtime};
use crate::sources::{Program, talk};
use crate::upstream;

/// Runs the program, with the right to ask a server.
fn start(runtime: Runtime, server: SocketAddr) -> Option<Program> {
    let mut command = runtime.watching("outgoing", true, &["-S", "http"])?;
    command.arg(server.to_string());
    Some(Program::spawn(command))
}

/// Returns a client of the program.
fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the program listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a socket takes the option");
    client
}

#[test]
fn clients_are_served_while_a_request_waits_for_its_response_and_its_body() {
    for runtime in COMPONENT_RUNTIMES {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let server = listener.local_addr().expect("it is bound");
        let Some(program) = start(runtime, server) else { return };
        let mut client = connect(program.next_address("clients to "));
        program.expect(&["asked"]);
        let (mut asking, _) = listener.accept().expect("the program connects");
        let lines = BufReader::new(&asking).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        assert_eq!(head[..2], ["GET /slow HTTP/1.1", &format!("host: {server}")]);
        talk(&mut client, "before the response");
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nfour";
        asking.write_all(response).expect("the program reads");
        program.expect(&["status 200", "body four"]);
        talk(&mut client, "within the body");
        asking.write_all(b"more").expect("the program reads");
        program.expect(&["body more", "body ended"]);
        program.succeeds();
    }
}

#[test]
fn a_request_that_is_refused_says_so() {
    for runtime in COMPONENT_RUNTIMES {
        let (_kept, address) = upstream::refusing();
        let Some(program) = start(runtime, address) else { return };
        program.next_address("clients to ");
        let reason = match runtime {
            Runtime::Wasmtime03(_) => "case 6 of error-code",
            _ => "ErrorCode::ConnectionRefused",
        };
        program.expect(&["asked", &format!("no response: {reason}")]);
        program.succeeds();
    }
}
