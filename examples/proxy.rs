//! A load balancer for TCP: clients are connected to the upstreams in turn, and to the next one if
//! an upstream refuses or is silent. The service is `Relay` of `selkie::layers`, with `Proxy` of
//! `examples/services` to choose the upstreams.
//!
//! It teaches a service that connects: `Peer::connect` returns at once, and `opened` or `closed`
//! says later how it went. Each direction of a tunnel flows by itself, a slow end slows the other
//! down, and the end of a stream is passed on.
//!
//! ```text
//! cargo run --release --example proxy -- 127.0.0.1:7000 127.0.0.1:8001 127.0.0.1:8002
//! nc -l 127.0.0.1 8001
//! nc 127.0.0.1 7000
//! ```

#[cfg(any(unix, windows))]
#[path = "common/program.rs"]
mod program;

#[cfg(any(unix, windows))]
mod native {
    use std::net::SocketAddr;
    use std::process::ExitCode;
    use std::time::Duration;

    use clap::Parser;
    use selkie::front_door::Ready;
    use selkie::layers::Relay;
    use selkie::platform::Backend;
    use selkie::{Builder, Config};
    use selkie_services::Proxy;

    use super::program::{self, print};

    /// The size of a buffer. Long reads cost less for each byte, and pages that no slow client
    /// fills take no memory.
    const BUFFER: usize = 64 << 10;
    /// The time that tunnels have to end once the proxy is asked to stop.
    const DRAIN: Duration = Duration::from_secs(10);

    /// Passes connections on to other servers.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// An IP address and a port to listen on; port 0 for any free one.
        listen: SocketAddr,

        /// The servers to connect clients to, in turn.
        #[arg(required = true)]
        upstreams: Vec<SocketAddr>,

        /// The system call to wait with; the best of the platform, if not given.
        #[arg(long, value_name = "NAME")]
        backend: Option<Backend>,

        /// The number of clients to serve at once; more wait until one leaves.
        #[arg(long, value_name = "N", default_value_t = 1024)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        capacity: u32,

        /// The seconds that an upstream has to answer before the next one is tried.
        #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
        connect_timeout: f64,

        /// The seconds without a byte after which a tunnel is closed; never, if not given.
        #[arg(long, value_name = "SECONDS")]
        idle_timeout: Option<f64>,

        /// Send upstreams the addresses of clients by the PROXY protocol, version 1.
        #[arg(long)]
        proxy_protocol: bool,
    }

    /// Serves until Ctrl-C.
    pub(super) fn main() -> ExitCode {
        program::run("proxy", |arguments| serve(&arguments))
    }

    /// Returns a timeout, which is more than none.
    fn seconds(name: &str, seconds: f64) -> Result<Duration, String> {
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
        time.ok_or_else(|| format!("the {name} timeout is a number of seconds above 0"))
    }

    fn serve(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
        let timeout = seconds("connect", arguments.connect_timeout)?;
        let idle = arguments.idle_timeout.map(|time| seconds("idle", time)).transpose()?;
        if arguments.upstreams.contains(&arguments.listen) {
            return Err("the proxy cannot be an upstream of its own".into());
        }
        let capacity = arguments.capacity;
        let backend = arguments.backend.unwrap_or_default();
        // Each client takes a connection to an upstream besides its own.
        let connections = 2 * capacity as usize;
        let config = Config::DEFAULT
            .connect_timeout(Some(timeout))
            .idle_timeout(idle)
            .connects_reserved(capacity as usize);
        let builder = Builder::new().config(config).connections(connections);
        let builder = builder.buffer_size(BUFFER).backend(backend);
        let mut server = builder.listen(arguments.listen)?;
        let address = server.local_address()?;
        let mut proxy = Proxy::new(&arguments.upstreams);
        if arguments.proxy_protocol {
            proxy = proxy.with_header(address);
        }
        let handle = server.handle();
        ctrlc::set_handler(move || handle.drain(DRAIN))?;
        let server: Ready<_> = server.reserve()?;
        print(&format!("listening on {address} ({backend}, capacity {capacity})\n"));
        let finished = server.run(Relay::new(proxy))?;
        let counters = finished.service.route().counters();
        print(&format!(
            "accepted {}, closed {}\ntunnels {}, failures {}, unserved {}\n",
            finished.counters.accepted + finished.counters.connects,
            finished.counters.closed_total(),
            counters.tunnels,
            counters.failures,
            counters.unserved,
        ));
        Ok(())
    }
}

#[cfg(any(unix, windows))]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(any(unix, windows)))]
fn main() -> std::process::ExitCode {
    eprintln!("proxy: this platform has no drain on Ctrl-C in Selkie");
    std::process::ExitCode::from(2)
}
