//! Addresses at which attempts to connect fail, each for as long as its sockets are kept.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are descriptors");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("there is a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an address");
    (socket, address)
}

/// Returns an address that refuses attempts, and the socket that keeps it.
///
/// The socket is bound, and does not listen. The port of a listener that was closed may be given
/// to another test meanwhile.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    bound()
}

/// Returns an address that leaves attempts without an answer, and the sockets that keep it: a
/// listener whose backlog is full drops the packets of further attempts.
pub(crate) fn silent() -> ((Socket, TcpStream), SocketAddr) {
    let (listener, address) = bound();
    listener.listen(0).expect("it is bound");
    let first = TcpStream::connect(address).expect("one fits");
    ((listener, first), address)
}
