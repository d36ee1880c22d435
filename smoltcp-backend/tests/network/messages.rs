//! Sockets of the program's own beside the server: UDP as a source of the loop.

use std::net::SocketAddr;

use selkie_core::platform::{Close, Datagrams, Selector, Transport};
use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness, Token};
use selkie_smoltcp::{Config, Socket};
use smoltcp::socket::{dns, udp};
use smoltcp::wire::{DnsQueryType, IpAddress, IpEndpoint};

use crate::link::Link;
use crate::world::{self, LOCAL, REMOTE};

const PORT: u16 = 9;

/// Creates a network that listens for clients and for messages.
fn bound() -> (Link, Socket) {
    let mut link = Link::with_own(2, 256, Config::DEFAULT, 1);
    let mut socket = world::udp_socket(4, 256);
    socket.bind(PORT).expect("the port is not 0");
    let handle = link.local.add_socket(socket).expect("there is a place");
    let source = link.local.datagrams(handle).expect("it is bound");
    (link, source)
}

#[test]
fn messages_are_exchanged_beside_clients() {
    let (mut link, source) = bound();
    link.watch(source, Interest::READABLE | Interest::WRITABLE);
    assert_eq!(link.readiness(), Readiness::WRITABLE);
    let peer = link.remote.bind(5_000);
    let (client, _) = link.connect();
    let to = IpEndpoint::new(LOCAL.into(), PORT);
    link.remote.udp(peer).send_slice(b"question", to).unwrap();
    link.talk();
    assert_eq!(link.readiness(), Readiness::READABLE | Readiness::WRITABLE);
    let mut bytes = [0; 64];
    let message = link.local.receive_from(source, &mut bytes).unwrap();
    let sender = SocketAddr::from((REMOTE, 5_000));
    assert_eq!((message.length, message.is_truncated, message.sender), (8, false, Some(sender)));
    assert_eq!(bytes[..8], *b"question");
    let more = link.local.receive_from(source, &mut bytes).map(|message| message.length);
    assert_eq!(more, Err(Error::WOULD_BLOCK));
    link.local.send_to(source, b"answer", &sender).unwrap();
    link.talk();
    let (count, _) = link.remote.udp(peer).recv_slice(&mut bytes).unwrap();
    assert_eq!(bytes[..count], *b"answer");
    assert_eq!(link.local.check(client), Ok(()));
}

#[test]
fn a_message_that_is_too_long_is_cut_and_says_so() {
    let (mut link, source) = bound();
    let peer = link.remote.bind(5_000);
    let to = IpEndpoint::new(LOCAL.into(), PORT);
    link.remote.udp(peer).send_slice(b"question", to).unwrap();
    link.talk();
    let message = link.local.receive_from(source, &mut [0; 4]).unwrap();
    assert_eq!((message.length, message.is_truncated), (4, true));
    let address = SocketAddr::from((REMOTE, 5_000));
    let too_long = link.local.send_to(source, &[0; 300], &address);
    assert_eq!(too_long, Err(ErrorKind::InvalidInput.into()));
}

#[test]
fn a_full_buffer_blocks_until_the_device_takes_messages() {
    let (mut link, source) = bound();
    let address = SocketAddr::from((REMOTE, 5_000));
    link.local.device().set_room(0);
    let sent = (0..10).take_while(|_| link.local.send_to(source, &[1; 32], &address).is_ok());
    assert_eq!(sent.count(), 4);
    link.watch(source, Interest::WRITABLE);
    assert_eq!(link.readiness(), Readiness::NONE);
    link.local.device().set_room(usize::MAX);
    // The hardware address is asked for first.
    link.talk();
    assert_eq!(link.readiness(), Readiness::WRITABLE);
}

#[test]
fn a_source_of_messages_is_neither_a_stream_nor_a_listener_and_stale_once_closed() {
    let (mut link, source) = bound();
    let invalid = ErrorKind::InvalidSource;
    assert_eq!(link.local.accept(source).map(drop), Err(invalid.into()));
    assert_eq!(link.local.read(source, &mut [0; 4]).map(drop), Err(invalid.into()));
    let listener = link.listener;
    let from_listener = link.local.receive_from(listener, &mut [0; 4]).map(drop);
    assert_eq!(from_listener, Err(invalid.into()));
    link.local.close(source, Close::Graceful).unwrap();
    let stale = Err(ErrorKind::Stale.into());
    assert_eq!(link.local.receive_from(source, &mut [0; 4]).map(drop), stale);
    let token = Token::new(0, 1);
    let again = link.local.register(source, token, Interest::READABLE, Mode::Level);
    assert_eq!(again, stale);
}

#[test]
fn a_set_without_a_free_place_gives_the_socket_back() {
    let (mut link, _) = bound();
    assert!(link.local.add_socket(world::udp_socket(1, 1)).is_err());
}

#[test]
fn an_unbound_socket_and_one_that_is_a_source_are_refused() {
    let mut link = Link::with_own(2, 256, Config::DEFAULT, 1);
    let handle = link.local.add_socket(world::udp_socket(1, 16)).unwrap();
    assert_eq!(link.local.datagrams(handle), Err(ErrorKind::InvalidInput.into()));
    link.local.own_socket::<udp::Socket<'_>>(handle).0.bind(PORT).unwrap();
    let source = link.local.datagrams(handle).unwrap();
    assert_eq!(link.local.datagrams(handle), Err(ErrorKind::AddressInUse.into()));
    link.local.close(source, Close::Graceful).unwrap();
    link.local.own_socket::<udp::Socket<'_>>(handle).0.bind(PORT).unwrap();
    assert!(link.local.datagrams(handle).is_ok());
}

#[test]
fn a_name_is_looked_up_beside_clients() {
    let mut link = Link::with_own(2, 256, Config::DEFAULT, 1);
    let socket = dns::Socket::new(&[REMOTE.into()], vec![]);
    let Ok(handle) = link.local.add_socket(socket) else { panic!("there is a place") };
    let server = link.remote.bind(53);
    let (client, _) = link.connect();
    let (socket, interface) = link.local.own_socket::<dns::Socket<'_>>(handle);
    let query =
        socket.start_query(interface.context(), "selkie.test", DnsQueryType::A).expect("a query");
    let now = link.now;
    assert_eq!(link.local.next_deadline(now), Some(now), "a question waits to be sent");
    link.talk();
    let (question, from) = link.remote.udp(server).recv().expect("the question");
    // The same, as an answer: of one address.
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[7] = 1;
    answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
    let to = from.endpoint;
    link.remote.udp(server).send_slice(&answer, to).unwrap();
    link.talk();
    let (socket, _) = link.local.own_socket::<dns::Socket<'_>>(handle);
    assert_eq!(socket.get_query_result(query).unwrap()[..], [IpAddress::v4(10, 1, 2, 3)]);
    assert_eq!(link.local.check(client), Ok(()));
}
