//! A DNS server: answers A queries from a table on the command line over UDP and TCP, and asks a
//! resolver for all other names, again and again until it answers. The services are `Dns` and
//! `DnsOverTcp` of `examples/services`.
//!
//! It teaches datagrams beside a server on one loop: `DatagramServer` has the socket, and
//! `run_beside` passes it what is not the server's.
//!
//! ```text
//! cargo run --release --example dns -- 127.0.0.1:5300 --host selkie.test=192.0.2.1
//! dig @127.0.0.1 -p 5300 selkie.test
//! dig @127.0.0.1 -p 5300 +tcp selkie.test
//! cargo run --release --example dns -- 127.0.0.1:5300 --upstream 127.0.0.53:53
//! ```

#[cfg(any(unix, windows))]
#[path = "common/program.rs"]
mod program;

#[cfg(any(unix, windows))]
mod native {
    use std::hash::{BuildHasher, RandomState};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::process::ExitCode;
    use std::time::Duration;

    use clap::Parser;
    use selkie::datagrams::DatagramServer;
    use selkie::front_door::{Finished, Listening, Ready};
    use selkie::platform::{AnySelector, Backend, Platform, Socket};
    use selkie::{Builder, ErrorKind, ServeError};
    use selkie_services::{DNS_MESSAGE_MAX, Dns, DnsOverTcp, DnsStream, HostEntry, PendingQuery};

    use super::program::{self, print};

    /// Queries that wait for the resolver at once.
    const PENDING: usize = 256;
    /// The time that clients have to take their answers once the server is asked to stop.
    const DRAIN: Duration = Duration::from_secs(5);
    /// The ports that are tried until one is free for both UDP and TCP.
    const PORTS: usize = 16;

    type Udp = DatagramServer<
        Platform<AnySelector<'static>>,
        Dns<'static, SocketAddr>,
        [u8; DNS_MESSAGE_MAX],
    >;

    /// Answers A queries from a fixed table.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// An IP address and a port to listen on, UDP and TCP; port 0 for any free one.
        #[arg(default_value = "127.0.0.1:5300")]
        address: SocketAddr,

        /// A name and its address; may be repeated.
        #[arg(long = "host", value_name = "NAME=ADDRESS", value_parser = host)]
        hosts: Vec<(String, Ipv4Addr)>,

        /// The resolver that is asked for names that are not in the table.
        #[arg(long, value_name = "ADDRESS")]
        upstream: Option<SocketAddr>,

        /// The system call to wait with; the best of the platform, if not given.
        #[arg(long, value_name = "NAME")]
        backend: Option<Backend>,

        /// The number of TCP clients to serve at once.
        #[arg(long, value_name = "N", default_value_t = 64)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        capacity: u32,

        /// The seconds that a query may take to come over TCP.
        #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
        query_timeout: f64,

        /// The seconds after which the resolver is asked again; they double each time.
        #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
        retry: f64,
    }

    /// Parses an entry of the table.
    fn host(text: &str) -> Result<(String, Ipv4Addr), String> {
        let (name, address) = text.split_once('=').ok_or("expected NAME=ADDRESS")?;
        let address = address.parse().map_err(|_| format!("{address} is no IPv4 address"))?;
        Ok((name.trim_end_matches('.').to_owned(), address))
    }

    /// Serves until Ctrl-C.
    pub(super) fn main() -> ExitCode {
        program::run("dns", serve)
    }

    fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
        // The table lasts as long as the program.
        let hosts: &'static [(String, Ipv4Addr)] = arguments.hosts.leak();
        let table: Vec<HostEntry<'static>> =
            hosts.iter().map(|(name, address)| (name.as_str(), *address)).collect();
        let table: &'static [HostEntry<'static>] = table.leak();
        let backend = arguments.backend.unwrap_or_default();
        let settings = Builder::new()
            .backend(backend)
            .connections(arguments.capacity as usize)
            .idle_timeout(Some(Duration::from_secs(30)));
        let (mut server, socket) = listen(&settings, arguments.address)?;
        let places = vec![PendingQuery::EMPTY; PENDING].leak();
        let seed = RandomState::new().hash_one(std::process::id());
        let dns = Dns::new(table, arguments.upstream, places, seed)
            .first_retry(seconds(arguments.retry)?);
        let mut udp: Udp = DatagramServer::new(dns, [0; DNS_MESSAGE_MAX]);
        udp.open(&mut server.context(), socket)?;

        let handle = server.handle();
        ctrlc::set_handler(move || handle.drain(DRAIN))?;
        let address = server.local_address()?;
        let server: Ready<DnsStream> = server.reserve()?;
        print(&format!("listening on {address} ({backend}, capacity {})\n", arguments.capacity));
        let over_tcp = DnsOverTcp::new(table)
            .query_timeout(seconds(arguments.query_timeout)?)
            .partial(arguments.upstream.is_some());
        let finished = server.run_beside(over_tcp, &mut udp)?;
        report(&udp, &finished);
        Ok(())
    }

    /// Returns a time of the command line.
    fn seconds(seconds: f64) -> Result<Duration, String> {
        Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} is no time in seconds"))
    }

    /// Prints what was counted.
    fn report(udp: &Udp, finished: &Finished<DnsOverTcp<'_>>) {
        let (messages, dns) = (udp.counters(), udp.service().counters());
        let tcp = finished.service.counters();
        print(&format!(
            "accepted {}, closed {}\nreceived {}, truncated {}, sent {}, unsent {}\n\
             answered {}, errors {}, forwarded {}, retransmitted {}, failed {}, ignored {}\n\
             over TCP: answered {}, errors {}, malformed {}\n",
            finished.counters.accepted,
            finished.counters.closed_total(),
            messages.received,
            messages.truncated,
            messages.sent,
            messages.unsent,
            dns.answered,
            dns.refused,
            dns.forwarded,
            dns.retransmitted,
            dns.failed,
            dns.ignored,
            tcp.answered,
            tcp.refused,
            tcp.malformed,
        ));
    }

    /// Opens a listener and a UDP socket at the same address.
    fn listen(
        settings: &Builder,
        address: SocketAddr,
    ) -> Result<(Listening, Socket), Box<dyn std::error::Error>> {
        let mut tries = 0;
        loop {
            let mut server: Listening =
                settings.clone().listen(address).map_err(|error: ServeError| error)?;
            let same = server.local_address()?;
            tries += 1;
            match server.context().platform.bind_udp(same) {
                Ok(socket) => return Ok((server, socket)),
                // The system chose the port for TCP alone.
                Err(error)
                    if error.kind() == ErrorKind::AddressInUse
                        && address.port() == 0
                        && tries < PORTS => {}
                Err(error) => return Err(format!("cannot bind UDP {same}: {error}").into()),
            }
        }
    }
}

#[cfg(any(unix, windows))]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(any(unix, windows)))]
fn main() -> std::process::ExitCode {
    eprintln!("dns: this platform has no UDP socket in Selkie");
    std::process::ExitCode::from(2)
}
