//! The sockets of the program's own: UDP, DHCP and DNS.

use firmware::board::frame::Ethernet;
use firmware::board::lm3s6965::ethernet::Mac;
use firmware::settings::{CONNECTIONS, PORT};
use selkie_smoltcp::Network;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::{dhcpv4, dns, udp};
use smoltcp::wire::{DnsQueryType, IpAddress, IpCidr, Ipv4Address};
use static_cell::ConstStaticCell;

type Platform = Network<'static, Ethernet<Mac>>;

/// The name that is asked for.
const NAME: &str = "example.com";
/// Messages that wait in each direction, and their bytes.
const MESSAGES: usize = 4;
const BYTES: usize = 1024;

/// The buffer of one direction.
struct Buffer {
    messages: [udp::PacketMetadata; MESSAGES],
    bytes: [u8; BYTES],
}

impl Buffer {
    const EMPTY: Self =
        Self { messages: [udp::PacketMetadata::EMPTY; MESSAGES], bytes: [0; BYTES] };

    fn lend(&'static mut self) -> udp::PacketBuffer<'static> {
        udp::PacketBuffer::new(&mut self.messages[..], &mut self.bytes[..])
    }
}

static BUFFERS: ConstStaticCell<[Buffer; 2]> = ConstStaticCell::new([Buffer::EMPTY; 2]);
static QUERIES: ConstStaticCell<[Option<dns::DnsQuery>; 1]> = ConstStaticCell::new([None]);

/// The sockets of DHCP and DNS.
pub(crate) struct Own {
    dhcp: SocketHandle,
    dns: SocketHandle,
    query: Option<dns::QueryHandle>,
}

/// Adds the sockets, and returns the one of UDP beside the others.
pub(crate) fn add(network: &mut Platform) -> (Own, SocketHandle) {
    let [received, sent] = BUFFERS.take();
    let mut udp = udp::Socket::new(received.lend(), sent.lend());
    let dns = dns::Socket::new(&[], &mut QUERIES.take()[..]);
    let (Ok(()), Ok(dhcp), Ok(dns)) =
        (udp.bind(PORT), network.add_socket(dhcpv4::Socket::new()), network.add_socket(dns))
    else {
        defmt::panic!("the set has a place for each of them")
    };
    let Ok(udp) = network.add_socket(udp) else { defmt::panic!("as above") };
    (Own { dhcp, dns, query: None }, udp)
}

impl Own {
    /// Takes an address from DHCP, and an answer from DNS. Returns whether anything has changed.
    pub(crate) fn serve(&mut self, network: &mut Platform) -> bool {
        let (dhcp, interface) = network.own_socket::<dhcpv4::Socket<'_>>(self.dhcp);
        let Some(event) = dhcp.poll() else { return self.take_answer(network) };
        interface.update_ip_addrs(|addresses| addresses.truncate(0));
        interface.routes_mut().remove_default_ipv4_route();
        let dhcpv4::Event::Configured(config) = event else {
            // The lease has ended, and with it the connections of this address.
            defmt::info!("without an address");
            return true;
        };
        let address = IpCidr::Ipv4(config.address);
        // Both have just become empty.
        interface.update_ip_addrs(|addresses| addresses.push(address).unwrap_or(()));
        if let Some(router) = config.router {
            let _ = interface.routes_mut().add_default_ipv4_route(router);
        }
        let server = config.dns_servers.first().copied();
        let [first, second, third, fourth] = config.address.address().octets();
        defmt::info!(
            "listening on {=u8}.{=u8}.{=u8}.{=u8}:{=u16}, capacity {=usize}",
            first,
            second,
            third,
            fourth,
            PORT,
            CONNECTIONS
        );
        if let Some(server) = server {
            self.ask(network, server);
        }
        true
    }

    /// Asks for a name.
    fn ask(&mut self, network: &mut Platform, server: Ipv4Address) {
        let (dns, interface) = network.own_socket::<dns::Socket<'_>>(self.dns);
        dns.update_servers(&[IpAddress::Ipv4(server)]);
        if let Some(query) = self.query.take() {
            dns.cancel_query(query);
        }
        self.query = dns.start_query(interface.context(), NAME, DnsQueryType::A).ok();
    }

    /// Takes the answer, once it is there.
    fn take_answer(&mut self, network: &mut Platform) -> bool {
        let Some(query) = self.query else { return false };
        let (dns, _) = network.own_socket::<dns::Socket<'_>>(self.dns);
        match dns.get_query_result(query) {
            Err(dns::GetQueryResultError::Pending) => return false,
            Ok(addresses) => defmt::info!("{=str} has {=usize} addresses", NAME, addresses.len()),
            Err(dns::GetQueryResultError::Failed) => defmt::info!("{=str} is not known", NAME),
        }
        self.query = None;
        true
    }
}
