//! Descriptors that were opened elsewhere: nothing that they were set to makes a call block.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind};
use selkie_std::Socket;

use crate::{check, platform};

/// Linger time of the tests. A call that blocks takes at least so long.
const LINGER: Duration = Duration::from_secs(30);

/// Sets `SO_LINGER`.
fn set_linger(socket: &impl AsRawFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 30 };
    let length = libc::socklen_t::try_from(size_of::<libc::linger>()).unwrap();
    // SAFETY: `linger` is valid for reads of its length.
    check(unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, length)
    });
}

/// Writes until the platform takes no more.
fn fill(platform: &mut impl Transport<Source = Socket>, stream: Socket) {
    let bytes = vec![0; 1 << 16];
    let start = Instant::now();
    loop {
        match platform.write(stream, &bytes) {
            Ok(count) => assert!(count > 0),
            Err(Error::WOULD_BLOCK) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(start.elapsed() < LINGER * 10, "a write blocked");
}

#[test]
fn closing_never_blocks_though_the_listener_lingered() {
    let mut platform = platform();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set_linger(&listener);
    let address = listener.local_addr().unwrap();
    // One client is in the backlog before the listener is adopted, and one after.
    let _before = TcpStream::connect(address).unwrap();
    let listener = platform.adopt(listener.into()).unwrap();
    let _after = TcpStream::connect(address).unwrap();
    for _ in 0..2 {
        let stream = accepted(&mut platform, listener);
        fill(&mut platform, stream);
        let start = Instant::now();
        platform.close(stream, Close::Graceful).unwrap();
        assert!(start.elapsed() < LINGER / 2, "{:?}", start.elapsed());
    }
}

/// Accepts a connection that is established already.
fn accepted(platform: &mut impl Transport<Source = Socket>, listener: Socket) -> Socket {
    let start = Instant::now();
    loop {
        match platform.accept(listener) {
            Ok(stream) => return stream,
            Err(error) => assert!(error.is_would_block() && start.elapsed() < LINGER, "{error}"),
        }
    }
}

#[test]
fn closing_never_blocks_though_the_adopted_connection_lingered() {
    for is_dropped in [false, true] {
        let mut platform = platform();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _far = listener.accept().unwrap();
        set_linger(&near);
        let stream = platform.adopt(near.into()).unwrap();
        fill(&mut platform, stream);
        let start = Instant::now();
        if is_dropped {
            drop(platform);
        } else {
            platform.close(stream, Close::Graceful).unwrap();
        }
        assert!(start.elapsed() < LINGER / 2, "{:?}", start.elapsed());
    }
}

#[test]
fn a_socket_that_another_owner_makes_blocking_does_not_block() {
    let mut platform = platform();
    let (near, _far) = UnixStream::pair().unwrap();
    let other = near.try_clone().unwrap();
    let stream = platform.adopt(near.into()).unwrap();
    other.set_nonblocking(false).unwrap();
    assert_eq!(platform.read(stream, &mut [0; 8]), Err(Error::WOULD_BLOCK));
    fill(&mut platform, stream);
    assert_eq!(platform.write_vectored(stream, &[b"a", b"b"]), Err(Error::WOULD_BLOCK));
}

#[test]
fn a_connection_of_a_port_to_itself_is_refused() {
    let mut platform = platform();
    // SAFETY: the call takes no pointers.
    let socket = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) });
    // SAFETY: the descriptor is new, so it has no other owner.
    let socket: OwnedFd = unsafe { std::os::fd::FromRawFd::from_raw_fd(socket) };
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap();
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let mut length = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    let fd = socket.as_raw_fd();
    // SAFETY: the address is valid for reads and writes of its length, and so is the length.
    unsafe {
        check(libc::bind(fd, (&raw const address).cast(), length));
        check(libc::getsockname(fd, (&raw mut address).cast(), &raw mut length));
        check(libc::connect(fd, (&raw const address).cast(), length));
    }
    let stream = platform.adopt(socket).unwrap();
    assert_eq!(platform.local_address(stream), platform.peer_address(stream));
    assert_eq!(platform.connected(stream).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_ipv6_listener_takes_ipv6_clients_only() {
    let mut platform = platform();
    let Ok(listener) = platform.listen("[::]:0".parse().unwrap(), 16) else {
        eprintln!("not checked: this host has no IPv6");
        return;
    };
    let port = platform.local_address(listener).unwrap().port();
    // Others may listen there at 127.0.0.1. Only Linux has more hosts in the loopback network.
    let host = if cfg!(target_os = "linux") { [127, 83, 0, 2] } else { [127, 0, 0, 1] };
    let refused = TcpStream::connect(SocketAddr::from((host, port))).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // The same port is free for IPv4.
    platform.listen((host, port).into(), 16).unwrap();
}

#[test]
fn several_parts_arrive_in_order() {
    let mut platform = platform();
    let (near, mut far) = UnixStream::pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (socket, file) =
        (platform.adopt(near.into()).unwrap(), platform.adopt(writer.into()).unwrap());
    let parts: Vec<&[u8]> = [&b""[..], b"", b"one ", b"", b"two ", b"three"].to_vec();
    let mut bytes = [0; 13];
    assert_eq!(platform.write_vectored(socket, &parts), Ok(13));
    far.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one two three");
    assert_eq!(platform.write_vectored(file, &parts), Ok(13));
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one two three");
    // Forty empty parts hide nothing, and of forty full ones the first are taken.
    let mut many = vec![&b""[..]; 40];
    many.push(b"x");
    assert_eq!(platform.write_vectored(socket, &many), Ok(1));
    assert!(platform.write_vectored(socket, &vec![&b"y"[..]; 40]).unwrap() >= 16);
    assert_eq!(platform.write_vectored(socket, &[b"", b""]), Ok(0));
}
