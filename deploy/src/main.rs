//! The HTTP server of the examples as a service manager runs it.
//!
//! It serves the listeners that it inherits (systemd's `LISTEN_FDS`), or opens one. At SIGTERM it
//! drains: an inherited listener stays open for the successor, replies in progress are finished.
//! `docs/deployment.md` describes it under systemd and Kubernetes.
//!
//! ```text
//! cargo run --release -p selkie-deploy -- 127.0.0.1:8080
//! systemd-socket-activate -l 8080 target/release/selkie-http
//! curl http://127.0.0.1:8080/ready http://127.0.0.1:8080/metrics
//! ```

#[cfg(unix)]
#[path = "../../examples/common/program.rs"]
mod program;

#[cfg(unix)]
mod service {
    use std::net::SocketAddr;
    use std::os::fd::OwnedFd;
    use std::process::ExitCode;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use clap::Parser;
    use listenfd::ListenFd;
    use selkie::Builder;
    use selkie::front_door::Listening;
    use selkie::platform::ListenOptions;
    use selkie_services::{Http, HttpSession};

    use super::program::{self, print};

    /// Serves HTTP/1.1 as a service.
    #[derive(Debug, Parser)]
    #[command(version)]
    struct Arguments {
        /// An IP address and a port to listen on, unless a listener is inherited.
        #[arg(default_value = "0.0.0.0:8080")]
        address: SocketAddr,

        /// Lets another instance listen at the same address.
        #[arg(long)]
        reuse_port: bool,

        /// The number of clients to serve at once; more wait until one leaves.
        #[arg(long, value_name = "N", default_value_t = 1024)]
        capacity: u32,

        /// The seconds without a byte after which a client is disconnected.
        #[arg(long, value_name = "SECONDS", default_value_t = 75)]
        idle_timeout: u64,

        /// The seconds that replies in progress have at the end.
        #[arg(long, value_name = "SECONDS", default_value_t = 20)]
        drain: u64,
    }

    /// Serves until SIGTERM or SIGINT.
    pub(super) fn main() -> ExitCode {
        program::run("selkie-http", |arguments| serve(&arguments))
    }

    fn serve(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
        let settings = Builder::new()
            .connections(arguments.capacity as usize)
            .idle_timeout(Some(Duration::from_secs(arguments.idle_timeout)))
            .listen_options(ListenOptions::DEFAULT.reuse_port(arguments.reuse_port));
        let mut server = listen(settings, arguments.address)?;
        let (handle, grace) = (server.handle(), Duration::from_secs(arguments.drain));
        ctrlc::set_handler(move || handle.drain(grace))?;
        let address = server
            .local_address()
            .map_or_else(|_| "a Unix socket".to_owned(), |address| address.to_string());
        let (backend, capacity) = (server.backend(), arguments.capacity);
        let server = server.reserve::<HttpSession>()?;
        print(&format!("listening on {address} ({backend}, capacity {capacity})\n"));
        let counters = server.run(Http::new(unix_time))?.counters;
        print(&format!("accepted {}, closed {}\n", counters.accepted, counters.closed_total()));
        Ok(())
    }

    /// Serves what was inherited, or opens a listener.
    fn listen(
        settings: Builder,
        address: SocketAddr,
    ) -> Result<Listening, Box<dyn std::error::Error>> {
        let mut inherited = ListenFd::from_env();
        let mut server: Option<Listening> = None;
        for index in 0..inherited.len() {
            let listener = take(&mut inherited, index)?;
            server = Some(match server {
                Some(server) => server.listen_on(listener)?,
                None => settings.clone().listen_on(listener)?,
            });
        }
        Ok(match server {
            Some(server) => server,
            None => settings.listen(address)?,
        })
    }

    /// Takes a TCP or Unix listener.
    fn take(inherited: &mut ListenFd, index: usize) -> Result<OwnedFd, String> {
        if let Ok(Some(listener)) = inherited.take_tcp_listener(index) {
            return Ok(listener.into());
        }
        match inherited.take_unix_listener(index) {
            Ok(Some(listener)) => Ok(listener.into()),
            Ok(None) => Err(format!("descriptor {} is taken already", index + 3)),
            Err(error) => Err(format!("descriptor {} is no listener: {error}", index + 3)),
        }
    }

    /// Reads the time of day for the `Date` of replies.
    fn unix_time() -> Option<u64> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    service::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("selkie-http: this platform passes on no listeners");
    std::process::ExitCode::from(2)
}
