//! The chat, an HTTP server or an echo, as a service or as tasks, inside TLS.
//!
//! It teaches to wrap a service: `Tls<Chat>` is a service, and the chat neither knows nor cares.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -days 30
//! cargo run -p selkie-tls -- 127.0.0.1:7443 --certificate cert.pem --key key.pem
//! openssl s_client -quiet -connect 127.0.0.1:7443
//! ```

#[cfg(unix)]
#[path = "../../common/program.rs"]
mod program;

#[cfg(unix)]
mod native {
    use std::error::Error;
    use std::fmt::Display;
    use std::net::SocketAddr;
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use clap::{Parser, ValueEnum};
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use selkie::{Builder, Service};
    use selkie_async::AsyncService;
    use selkie_services::{Chat, Echo, Http, Seat, tasks};
    use selkie_tls::Tls;

    use super::program::{self, print};

    /// The time that clients have to take their pending output at the end.
    const DRAIN: Duration = Duration::from_secs(10);

    /// Serves inside TLS.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// An IP address and a port to listen on; port 0 for any free one.
        #[arg(default_value = "127.0.0.1:7443")]
        address: SocketAddr,

        /// The certificates of the server, its own first, as PEM.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,

        /// The key of the first certificate, as PEM.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,

        /// The service inside.
        #[arg(long, value_name = "NAME", value_enum, default_value_t = Inner::Chat)]
        service: Inner,

        /// The seconds that a handshake may take.
        #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
        handshake_timeout: f64,
    }

    #[derive(Clone, Copy, Debug, ValueEnum)]
    enum Inner {
        Chat,
        Echo,
        AsyncEcho,
        Http,
    }

    fn config(arguments: &Arguments) -> Result<ServerConfig, Box<dyn Error>> {
        let named = |file: &Path, error: &dyn Display| format!("{}: {error}", file.display());
        let (certificates, key) = (&arguments.certificate, &arguments.key);
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(|error| named(certificates, &error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, &error))?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        Ok(config.map_err(|error| named(certificates, &error))?)
    }

    /// The settings of the server.
    struct Serve {
        builder: Builder,
        address: SocketAddr,
        patience: Duration,
    }

    fn serve<S: Service>(settings: Serve, service: Tls<S>) -> Outcome {
        let service = service.handshake_timeout(settings.patience);
        let mut server = settings.builder.listen(settings.address)?;
        let handle = server.handle();
        ctrlc::set_handler(move || handle.drain(DRAIN))?;
        let (address, backend) = (server.local_address()?, server.backend());
        let server = server.reserve()?;
        print(&format!("listening on {address} ({backend}, TLS)\n"));
        let finished = server.run(service)?;
        let (counters, tls) = (finished.counters, *finished.service.counters());
        print(&format!(
            "accepted {}, closed {}\nhandshakes {}, failed {}, timed out {}, truncated {}\n",
            counters.accepted,
            counters.closed_total(),
            tls.handshakes,
            tls.failed,
            tls.timed_out,
            tls.truncated
        ));
        Ok(())
    }

    type Outcome = Result<(), Box<dyn Error>>;

    fn run(arguments: &Arguments) -> Outcome {
        let config = Arc::new(config(arguments)?);
        let builder = Builder::new();
        let (slots, address) = (builder.slots(), arguments.address);
        let patience = Duration::try_from_secs_f64(arguments.handshake_timeout)
            .map_err(|_| "the handshake timeout is no number of seconds")?;
        let settings = Serve { builder, address, patience };
        match arguments.service {
            Inner::Chat => {
                let chat = Chat::new(vec![Seat::EMPTY; slots].leak());
                serve(settings, Tls::new(chat, config, slots))
            }
            Inner::Echo => serve(settings, Tls::new(Echo, config, slots)),
            Inner::AsyncEcho => {
                let echo = AsyncService::boxed(slots, tasks::echo);
                serve(settings, Tls::new(echo, config, slots))
            }
            Inner::Http => serve(settings, Tls::new(Http::new(unix_time), config, slots)),
        }
    }

    /// Reads the time of day for the `Date` of replies.
    fn unix_time() -> Option<u64> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
    }

    /// Serves until Ctrl-C.
    pub(super) fn main() -> ExitCode {
        program::run("tls", |arguments| run(&arguments))
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("tls: this program is for Unix");
    std::process::ExitCode::from(2)
}
