//! Sockets of the program's own beside the server: UDP as a source of the loop.

use std::net::SocketAddr;
use std::time::Duration;

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

#[test]
fn a_message_to_a_host_that_has_vanished_holds_up_no_other_for_long() {
    let (mut link, source) = bound();
    let vanished = SocketAddr::from((world::ANOTHER, 5_000));
    let address = SocketAddr::from((REMOTE, 5_000));
    let peer = link.remote.bind(5_000);
    link.local.send_to(source, b"lost", &vanished).unwrap();
    let mut received = 0;
    for _ in 0..50 {
        let _ = link.local.send_to(source, b"answer", &address);
        link.pass(Duration::from_millis(100));
        received += usize::from(link.remote.udp(peer).recv().is_ok());
    }
    assert!(received > 10, "{received} of the messages of the last two seconds arrive");
    assert_eq!(link.local.send_to(source, b"one more", &address), Ok(()), "it is bound as before");
}

#[test]
fn a_message_without_an_address_to_send_it_from_is_dropped() {
    let (mut link, source) = bound();
    link.local.interface().update_ip_addrs(|addresses| addresses.truncate(0));
    let address = SocketAddr::from((REMOTE, 5_000));
    for _ in 0..10 {
        assert_eq!(link.local.send_to(source, b"lost", &address), Ok(()));
        link.talk();
    }
    let now = link.now;
    assert_eq!(link.local.next_deadline(now), None, "nothing is left to do");
}

#[test]
fn a_name_that_is_not_known_one_that_is_not_answered_and_one_too_many_are_errors() {
    let mut link = Link::with_own(2, 256, Config::DEFAULT, 1);
    let one_at_a_time: &'static mut [Option<dns::DnsQuery>] = Box::leak(Box::new([None]));
    let socket = dns::Socket::new(&[REMOTE.into()], one_at_a_time);
    let Ok(handle) = link.local.add_socket(socket) else { panic!("there is a place") };
    let server = link.remote.bind(53);
    let (socket, interface) = link.local.own_socket::<dns::Socket<'_>>(handle);
    let query = socket.start_query(interface.context(), "a.test", DnsQueryType::A).unwrap();
    let more = socket.start_query(interface.context(), "b.test", DnsQueryType::A);
    assert!(matches!(more, Err(dns::StartQueryError::NoFreeSlot)));
    link.talk();
    let (question, from) = link.remote.udp(server).recv().expect("the question");
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x83]);
    let to = from.endpoint;
    link.remote.udp(server).send_slice(&answer, to).unwrap();
    link.talk();
    let result = link.local.own_socket::<dns::Socket<'_>>(handle).0.get_query_result(query);
    assert_eq!(result, Err(dns::GetQueryResultError::Failed), "no such name");

    let (socket, interface) = link.local.own_socket::<dns::Socket<'_>>(handle);
    let query = socket.start_query(interface.context(), "c.test", DnsQueryType::A).unwrap();
    let end = link.now + Duration::from_secs(12);
    while link.now < end {
        let now = link.now;
        let next = link.local.next_deadline(now).map_or(end, |next| next.min(end));
        link.pass(next.saturating_since(now).max(Duration::from_millis(1)));
    }
    let result = link.local.own_socket::<dns::Socket<'_>>(handle).0.get_query_result(query);
    assert_eq!(result, Err(dns::GetQueryResultError::Failed), "no answer");
}

#[test]
fn a_socket_that_sends_slowly_keeps_its_messages() {
    let (mut link, source) = bound();
    let address = SocketAddr::from((REMOTE, 5_000));
    let peer = link.remote.bind(5_000);
    link.local.device().set_room(1);
    let (mut sent, mut received) = (0_u32, 0);
    for _ in 0..100 {
        while link.local.send_to(source, &sent.to_le_bytes(), &address).is_ok() {
            sent += 1;
        }
        link.pass(Duration::from_secs(1));
        let mut bytes = [0; 64];
        while let Ok((count, _)) = link.remote.udp(peer).recv_slice(&mut bytes) {
            assert_eq!(bytes[..count], u32::to_le_bytes(received));
            received += 1;
        }
    }
    assert!(sent - received <= 4 && received > 90, "{received} of {sent} arrive");
}

#[test]
fn a_message_after_a_long_silence_is_sent_at_once() {
    let (mut link, source) = bound();
    let address = SocketAddr::from((REMOTE, 5_000));
    let peer = link.remote.bind(5_000);
    for _ in 0..3 {
        link.now = link.now + Duration::from_mins(1);
        link.local.send_to(source, b"news", &address).unwrap();
        link.talk();
        let count = link.remote.udp(peer).recv_slice(&mut [0; 64]).map(|(count, _)| count);
        assert_eq!(count, Ok(4));
    }
}

#[test]
fn messages_beyond_the_queue_are_lost_and_those_in_it_stay() {
    let (mut link, source) = bound();
    let peer = link.remote.bind(5_000);
    let to = IpEndpoint::new(LOCAL.into(), PORT);
    for number in 0..10_u8 {
        link.remote.udp(peer).send_slice(&[number], to).unwrap();
        link.talk();
    }
    let mut byte = [0];
    for number in 0..4 {
        assert!(link.local.receive_from(source, &mut byte).is_ok());
        assert_eq!(byte[0], number);
    }
    let more = link.local.receive_from(source, &mut byte).map(|message| message.length);
    assert_eq!(more, Err(Error::WOULD_BLOCK));
    link.remote.udp(peer).send_slice(b"z", to).unwrap();
    link.talk();
    assert!(link.local.receive_from(source, &mut byte).is_ok());
    assert_eq!(byte, *b"z");
}
