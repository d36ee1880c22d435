//! The clients: one that talks among many that are silent, and many that talk.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The message.
const MESSAGE: [u8; 64] = [b'm'; 64];
/// The number of clients that connect before one of them is answered, which bounds the backlog.
const WAVE: usize = 100;
/// The number of clients that talk at once.
const BUSY: usize = 64;
/// The length of each burst, unless that gives too few samples.
const SPAN: Duration = Duration::from_millis(200);
/// The time before each burst that is not measured.
const WARM_UP: Duration = Duration::from_millis(60);
/// The fewest samples of a burst.
const SAMPLES_MIN: usize = 10;

/// Lets this process have as many connections as the system allows it.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised is enough, or a connection will fail and say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(client)
}

/// Sends one message, and reads it back.
fn round_trip(client: &mut TcpStream) -> Result<()> {
    client.write_all(&MESSAGE)?;
    client.read_exact(&mut [0; MESSAGE.len()])
}

/// A client that talks to a server, and those that are connected to it and silent.
pub(crate) struct Clients {
    address: SocketAddr,
    talker: TcpStream,
    idle: Vec<TcpStream>,
}

impl Clients {
    /// Connects a client that talks.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self { address, talker: connect(address)?, idle: Vec::new() })
    }

    /// Connects silent ones until there are so many.
    pub(crate) fn add_idle(&mut self, count: usize) -> Result<()> {
        while self.idle.len() < count {
            for _ in 0..WAVE.min(count - self.idle.len()) {
                self.idle.push(connect(self.address)?);
            }
            // The last one is served after all those before it.
            if let Some(last) = self.idle.last_mut() {
                round_trip(last)?;
            }
        }
        Ok(())
    }

    /// Makes round trips that are not measured.
    pub(crate) fn warm_up(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < WARM_UP {
            round_trip(&mut self.talker)?;
        }
        Ok(())
    }

    /// Returns the round trips of a burst, in microseconds, from the shortest one on.
    pub(crate) fn round_trips(&mut self) -> Result<Vec<f64>> {
        let start = Instant::now();
        let mut samples = Vec::new();
        while samples.len() < SAMPLES_MIN || start.elapsed() < SPAN {
            let sent = Instant::now();
            round_trip(&mut self.talker)?;
            samples.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        samples.sort_by(f64::total_cmp);
        Ok(samples)
    }
}

/// Clients that all talk at once.
pub(crate) struct Busy(Vec<TcpStream>);

impl Busy {
    /// Connects them.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self((0..BUSY).map(|_| connect(address)).collect::<Result<_>>()?))
    }

    /// Returns the messages a second that are echoed in a burst. Each client has one under way.
    #[expect(clippy::cast_precision_loss, reason = "there are not that many messages")]
    pub(crate) fn throughput(&mut self) -> Result<f64> {
        self.talk(WARM_UP)?;
        let start = Instant::now();
        let messages = self.talk(SPAN)?;
        Ok(messages as f64 / start.elapsed().as_secs_f64())
    }

    /// Talks for so long, and says how many messages were sent and arrived back.
    fn talk(&mut self, span: Duration) -> Result<usize> {
        let start = Instant::now();
        let mut messages = 0;
        while start.elapsed() < span {
            for client in &mut self.0 {
                client.write_all(&MESSAGE)?;
            }
            for client in &mut self.0 {
                client.read_exact(&mut [0; MESSAGE.len()])?;
            }
            messages += self.0.len();
            // A server that answers in the order of the waiting wakes the client for each message,
            // and one that answers in the opposite order once for all. So neither order is the
            // client's.
            self.0.reverse();
        }
        Ok(messages)
    }
}
