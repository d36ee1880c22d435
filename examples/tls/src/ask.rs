//! A client by TLS: asks a server one question, and prints the first line of its answer.
//!
//! It teaches TLS in the direction out: `Tls::client` wraps a service that knows nothing of it, and
//! a certificate that is refused says why.
//!
//! ```text
//! openssl s_server -quiet -rev -accept 7443 -cert cert.pem -key key.pem
//! cargo run -p selkie-tls --bin selkie-tls-ask -- 127.0.0.1:7443 hello --authority cert.pem
//! olleh
//! ```

#[cfg(unix)]
#[path = "../../common/program.rs"]
mod program;

#[cfg(unix)]
mod native {
    use std::error::Error;
    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use clap::Parser;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use selkie::memory::{HeapLoop, HeapServer};
    use selkie::platform::{DefaultSelector, Platform};
    use selkie::{CloseReason, Config, EventLoop, Peer, Server, Service};
    use selkie_tls::Tls;

    use super::program::{self, print};

    /// The size of a buffer: a record and what belongs to it.
    const BUFFER: usize = 18 << 10;

    /// Asks one question by TLS.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// The IP address and the port of the server.
        server: SocketAddr,

        /// The question: one line.
        question: String,

        /// The certificates of those who may vouch for the server, as PEM.
        #[arg(long, value_name = "FILE")]
        authority: PathBuf,

        /// The name that the server has to prove; its IP address, if not given.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,

        /// The seconds that the server has for each step.
        #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
        timeout: f64,
    }

    /// Asks, and takes one line as the answer.
    struct Ask {
        question: Vec<u8>,
        answer: Option<Vec<u8>>,
        ended: Option<CloseReason>,
    }

    impl Service for Ask {
        type Session = ();

        const CONNECTS: bool = true;

        fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
            if peer.send(&self.question).is_err() {
                peer.abort();
            }
        }

        fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return 0 };
            self.answer = Some(bytes[..=end].to_vec());
            peer.close();
            bytes.len()
        }

        fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
            self.ended = Some(reason);
        }
    }

    fn config(arguments: &Arguments) -> Result<ClientConfig, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        let named =
            |error: &dyn std::fmt::Display| format!("{}: {error}", arguments.authority.display());
        let authorities =
            CertificateDer::pem_file_iter(&arguments.authority).map_err(|error| named(&error))?;
        for certificate in authorities {
            let certificate = certificate.map_err(|error| named(&error))?;
            roots.add(certificate).map_err(|error| named(&error))?;
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
        let config = config(&arguments)?;
        let name = arguments.name.map(ServerName::try_from).transpose()?;
        let patience = Duration::try_from_secs_f64(arguments.timeout)
            .map_err(|_| "the timeout is no number of seconds")?;
        let (report, failure) = channel();
        let question = format!("{}\n", arguments.question).into_bytes();
        let ask = Ask { question, answer: None, ended: None };
        let tls = Tls::client(ask, config.into(), name, 1)
            .handshake_timeout(patience)
            .on_failure(move |_, error| drop(report.send(error.to_string())));
        let platform = Platform::new(DefaultSelector::new(1)?, 1)?;
        let mut event_loop = EventLoop::new(platform, HeapLoop::new(1, 1)?);
        // The handshake has a time of its own, and ends first.
        let idle = Some(2 * patience);
        let limits = Config::DEFAULT.connect_timeout(Some(patience)).idle_timeout(idle);
        let mut server = Server::new(tls, limits, HeapServer::new(1, 2, BUFFER)?);
        server.connect(&mut event_loop.context(), &arguments.server)?;
        let reason = loop {
            if let Some(reason) = server.service().inner().ended {
                break reason;
            }
            event_loop.run_once(&mut server)?;
        };
        if let Some(answer) = &server.service().inner().answer {
            print(answer);
            return Ok(());
        }
        let why = match failure.try_recv() {
            Ok(error) => error,
            Err(_) if server.service().counters().timed_out > 0 => "no handshake in time".into(),
            Err(_) => format!("no answer: {reason}"),
        };
        Err(format!("{}: {why}", arguments.server).into())
    }

    /// Asks, and ends with an error if there is no answer.
    pub(super) fn main() -> ExitCode {
        program::run("ask", run)
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("ask: this program is for Unix");
    std::process::ExitCode::from(2)
}
