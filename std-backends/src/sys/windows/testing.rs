//! Sources for tests.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::AsSocket;

use super::source::{BorrowedSource, OwnedSource};

/// Returns the two ends of a connection.
pub(crate) fn pair() -> (OwnedSource, OwnedSource) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = loop {
        let (far, address) = listener.accept().unwrap();
        if address == near.local_addr().unwrap() {
            break far;
        }
    };
    for end in [&near, &far] {
        end.set_nonblocking(true).unwrap();
        end.set_nodelay(true).unwrap();
    }
    (near.into(), far.into())
}

/// Lends a source.
pub(crate) fn lend(source: &OwnedSource) -> BorrowedSource<'_> {
    source.as_socket()
}

/// Reads a byte, and returns the number of bytes: 0 at the end of the stream.
pub(crate) fn read_byte(source: OwnedSource) -> usize {
    let mut stream = TcpStream::from(source);
    stream.set_nonblocking(false).unwrap();
    stream.read(&mut [0]).unwrap()
}
