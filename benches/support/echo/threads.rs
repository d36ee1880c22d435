//! A blocking thread for each connection: the simplest server, and what multiplexing is measured
//! against.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The size of a read: the longest message of the benchmark, as each thread has its own buffer.
const READ_MAX: usize = 16 * 1024;
/// The stack of a thread that only reads and writes.
const STACK: usize = 64 * 1024;

pub(crate) fn serve(listener: &TcpListener, connections: usize) {
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_nodelay(true).expect("a socket option");
            thread::Builder::new().stack_size(STACK).spawn(move || echo(stream)).expect("a thread")
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread that does not panic");
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0_u8; READ_MAX];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) if stream.write_all(&buffer[..count]).is_ok() => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}
