//! A client: asks several servers at once, prints the first line that each answers, and says of the
//! others why they did not.
//!
//! It teaches connections that the program opens: `Server::connect` returns at once, and `opened`
//! or `closed` says later how it went. The same source runs natively and on WASI 0.2 and 0.3.
//!
//! ```text
//! cargo run --release --example echo -- 127.0.0.1:7000
//! cargo run --release --example ask -- hello 127.0.0.1:7000 127.0.0.1:7001
//! 127.0.0.1:7000: hello
//! 127.0.0.1:7001: refused
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{self, Transport, Wait};
use selkie::{CloseReason, Config, Error, EventLoop, Peer, Server, Service, Token};

// A component for WASI 0.3 has no `main` that the host calls.
#[cfg(all(target_os = "wasi", feature = "waitable-set"))]
selkie::export_run!(main);

/// The time that a server has to accept a connection, and then to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one question, and takes one line as the answer.
struct Ask {
    question: Vec<u8>,
    /// The servers that may still answer.
    asked: Vec<(Token, SocketAddr)>,
    failures: usize,
}

/// The answer of a server.
#[derive(Default)]
struct Answer {
    is_complete: bool,
}

impl Ask {
    /// Prints the answer of a server, or why there is none.
    fn print(&self, peer: &Peer<'_>, text: &str) {
        let asked = self.asked.iter().find(|(token, _)| *token == peer.token());
        if let Some((_, address)) = asked {
            println!("{address}: {text}");
        }
    }
}

impl Service for Ask {
    type Session = Answer;

    const CONNECTS: bool = true;

    fn opened(&mut self, peer: &mut Peer<'_>, _: &mut Answer) {
        // There is room for a line, since nothing was sent before.
        let _ = peer.send(&self.question);
    }

    fn received(&mut self, peer: &mut Peer<'_>, answer: &mut Answer, bytes: &[u8]) -> usize {
        // A part of a line is left, and offered again with more.
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return 0 };
        self.print(peer, &String::from_utf8_lossy(&bytes[..end]));
        answer.is_complete = true;
        peer.close();
        bytes.len()
    }

    fn closed(&mut self, peer: &mut Peer<'_>, answer: &mut Answer, reason: CloseReason) {
        if !answer.is_complete {
            self.failures += 1;
            self.print(peer, reason.name());
        }
        self.asked.retain(|(token, _)| *token != peer.token());
    }
}

#[cfg(any(unix, windows))]
fn open(slots: usize) -> Result<platform::Platform<platform::DefaultSelector<'static>>, Error> {
    platform::Platform::new(platform::DefaultSelector::new(slots)?, slots)
}

#[cfg(all(target_os = "wasi", target_env = "p1"))]
fn open(_: usize) -> Result<platform::PollOneoff<'static>, Error> {
    Err(selkie::ErrorKind::Unsupported.into())
}

#[cfg(all(target_os = "wasi", target_env = "p2", not(feature = "waitable-set")))]
fn open(slots: usize) -> Result<platform::IoPoll<'static>, Error> {
    platform::IoPoll::new(platform::IoPollStorage::leaked(slots))
}

#[cfg(all(target_os = "wasi", target_env = "p2", feature = "waitable-set"))]
#[expect(clippy::unnecessary_wraps, reason = "other platforms can fail here")]
fn open(slots: usize) -> Result<platform::WaitableSet, Error> {
    Ok(platform::WaitableSet::new(platform::WaitableSetStorage::leaked(slots)))
}

/// Asks all servers, and returns the number of those that did not answer.
fn ask<P>(platform: P, question: &str, servers: &[SocketAddr]) -> Result<usize, Error>
where
    P: Wait + Transport<Address = SocketAddr>,
{
    let slots = servers.len();
    let memory = HeapServer::new(slots, 2 * slots, 4096)?;
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, slots)?);
    let config = Config::DEFAULT.connect_timeout(Some(PATIENCE)).idle_timeout(Some(PATIENCE));
    let question = format!("{question}\n").into_bytes();
    let service = Ask { question, asked: Vec::new(), failures: 0 };
    let mut server = Server::new(service, config, memory);
    for address in servers {
        match server.connect(&mut event_loop.context(), address) {
            Ok(token) => server.service_mut().asked.push((token, *address)),
            Err(error) => {
                server.service_mut().failures += 1;
                println!("{address}: {error}");
            }
        }
    }
    while !server.service().asked.is_empty() {
        event_loop.run_once(&mut server)?;
    }
    Ok(server.service().failures)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let question = arguments.next().unwrap_or_default();
    let servers: Option<Vec<_>> = arguments.map(|text| text.parse().ok()).collect();
    let Some(servers) = servers.filter(|servers| !servers.is_empty()) else {
        eprintln!("usage: ask QUESTION ADDRESS:PORT...");
        return ExitCode::from(2);
    };
    match open(servers.len()).and_then(|platform| ask(platform, &question, &servers)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ask: {error}");
            ExitCode::from(2)
        }
    }
}
