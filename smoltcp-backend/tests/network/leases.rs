//! An address from DHCP, in a set beside the server.

use std::time::Duration;

use selkie_core::platform::{Selector, Transport};
use selkie_smoltcp::Config;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, IpCidr, IpEndpoint, Ipv4Address};

use crate::link::Link;
use crate::world::REMOTE;

const FIRST: Ipv4Address = Ipv4Address::new(10, 0, 0, 50);
const SECOND: Ipv4Address = Ipv4Address::new(10, 0, 0, 51);
/// The time of a lease in seconds. A client renews it after half of that.
const LEASE: u32 = 120;

/// A network that asks for its address, and a server of DHCP beyond the wire.
struct Dhcp {
    link: Link,
    client: SocketHandle,
    server: SocketHandle,
    /// The address that the server gives; without one it refuses.
    offer: Option<Ipv4Address>,
    is_silent: bool,
    questions: usize,
}

impl Dhcp {
    fn new() -> Self {
        let mut link = Link::with_own(2, 256, Config::DEFAULT, 1);
        link.local.interface().update_ip_addrs(|addresses| addresses.truncate(0));
        let client = link.local.add_socket(dhcpv4::Socket::new());
        let client = client.unwrap_or_else(|_| panic!("there is a place"));
        let server = link.remote.bind(67);
        Self { link, client, server, offer: Some(FIRST), is_silent: false, questions: 0 }
    }

    /// Lets so much time pass, with an answer to each question.
    fn pass(&mut self, step: Duration) {
        self.link.pass(step);
        while let Ok((question, _)) = self.link.remote.udp(self.server).recv() {
            let question = question.to_vec();
            self.questions += 1;
            if !self.is_silent {
                self.answer(&question);
            }
        }
        self.link.pass(Duration::ZERO);
        self.apply();
    }

    fn talk(&mut self) {
        for _ in 0..20 {
            self.pass(Duration::from_millis(1));
        }
    }

    fn answer(&mut self, question: &[u8]) {
        let packet = DhcpPacket::new_checked(question).expect("a packet of DHCP");
        let asked = DhcpRepr::parse(&packet).expect("a question");
        let message_type = match (asked.message_type, self.offer) {
            (DhcpMessageType::Discover, Some(_)) => DhcpMessageType::Offer,
            (DhcpMessageType::Discover, None) => return,
            (_, Some(_)) => DhcpMessageType::Ack,
            (_, None) => DhcpMessageType::Nak,
        };
        let answer = DhcpRepr {
            message_type,
            your_ip: self.offer.unwrap_or(Ipv4Address::UNSPECIFIED),
            client_ip: Ipv4Address::UNSPECIFIED,
            server_ip: REMOTE,
            router: Some(REMOTE),
            subnet_mask: Some(Ipv4Address::new(255, 255, 255, 0)),
            server_identifier: Some(REMOTE),
            requested_ip: None,
            client_identifier: None,
            parameter_request_list: None,
            max_size: None,
            lease_duration: Some(LEASE),
            ..asked
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).expect("it fits");
        let to = IpEndpoint::new(Ipv4Address::BROADCAST.into(), 68);
        self.link.remote.udp(self.server).send_slice(&bytes, to).expect("there is room");
    }

    /// Takes an address or takes it away, as `examples/dhcp` does.
    fn apply(&mut self) {
        let (socket, interface) = self.link.local.own_socket::<dhcpv4::Socket<'_>>(self.client);
        let address = match socket.poll() {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(config)) => Some(IpCidr::Ipv4(config.address)),
        };
        interface.update_ip_addrs(|addresses| {
            addresses.truncate(0);
            addresses.extend(address);
        });
    }

    fn address(&mut self) -> Option<Ipv4Address> {
        self.link.local.interface().ipv4_addr()
    }

    /// Sleeps as a board does: for as long as the network says, each time.
    fn sleep(&mut self, time: Duration) {
        let end = self.link.now + time;
        while self.link.now < end {
            let now = self.link.now;
            let next = self.link.local.next_deadline(now).map_or(end, |next| next.min(end));
            self.pass(next.saturating_since(now).max(Duration::from_millis(1)));
        }
    }
}

#[test]
fn a_lease_is_renewed_in_time_by_a_board_that_sleeps_until_then() {
    let mut dhcp = Dhcp::new();
    dhcp.talk();
    assert_eq!(dhcp.address(), Some(FIRST));
    let before = dhcp.questions;
    dhcp.sleep(Duration::from_secs(10 * u64::from(LEASE)));
    assert_eq!(dhcp.address(), Some(FIRST));
    let renewals = dhcp.questions - before;
    assert!((15..=25).contains(&renewals), "{renewals} renewals in ten times of a lease");
}

#[test]
fn a_lease_whose_server_has_vanished_ends_in_time_and_is_asked_for_again() {
    let mut dhcp = Dhcp::new();
    dhcp.talk();
    dhcp.is_silent = true;
    dhcp.sleep(Duration::from_secs(u64::from(LEASE) - 5));
    assert_eq!(dhcp.address(), Some(FIRST));
    dhcp.sleep(Duration::from_secs(10));
    assert_eq!(dhcp.address(), None);
    dhcp.is_silent = false;
    dhcp.sleep(Duration::from_secs(30));
    assert_eq!(dhcp.address(), Some(FIRST));
}

#[test]
fn a_lease_that_is_refused_ends_its_connections_and_another_one_has_new_ones() {
    let mut dhcp = Dhcp::new();
    dhcp.talk();
    let (stream, _) = dhcp.link.connect_to(FIRST);
    dhcp.offer = None;
    dhcp.sleep(Duration::from_secs(u64::from(LEASE) / 2 + 5));
    assert_eq!(dhcp.address(), None);
    assert!(dhcp.link.local.check(stream).is_err());
    dhcp.link.local.close(stream, selkie_core::platform::Close::Abort).unwrap();
    dhcp.offer = Some(SECOND);
    dhcp.sleep(Duration::from_secs(30));
    assert_eq!(dhcp.address(), Some(SECOND));
    let (stream, _) = dhcp.link.connect_to(SECOND);
    assert_eq!(dhcp.link.local.check(stream), Ok(()));
}

#[test]
fn a_renewal_with_another_address_moves_to_it_and_one_with_the_same_keeps_connections() {
    let mut dhcp = Dhcp::new();
    dhcp.talk();
    let (stream, _) = dhcp.link.connect_to(FIRST);
    dhcp.sleep(Duration::from_secs(u64::from(LEASE) / 2 + 5));
    assert_eq!(dhcp.link.local.check(stream), Ok(()));
    dhcp.offer = Some(SECOND);
    dhcp.sleep(Duration::from_secs(u64::from(LEASE) / 2 + 5));
    assert_eq!(dhcp.address(), Some(SECOND));
    assert!(dhcp.link.local.check(stream).is_err());
}

#[test]
fn without_a_server_the_network_asks_on_and_sleeps_between() {
    let mut dhcp = Dhcp::new();
    dhcp.is_silent = true;
    dhcp.sleep(Duration::from_secs(100));
    assert_eq!(dhcp.address(), None);
    assert!((8..=30).contains(&dhcp.questions), "{} questions in 100 s", dhcp.questions);
    dhcp.is_silent = false;
    dhcp.sleep(Duration::from_secs(30));
    assert_eq!(dhcp.address(), Some(FIRST));
}
