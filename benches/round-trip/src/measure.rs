//! The clients: one that talks among many that are silent, and many that talk.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is sent there and back.
const MESSAGE: [u8; 64] = [b'm'; 64];
/// How many clients connect before one of them is heard, which bounds the backlog.
const WAVE: usize = 100;
/// How many clients talk at once.
const BUSY: usize = 64;
/// How long each figure may be measured, unless that gives too few samples.
const SPAN: Duration = Duration::from_secs(1);
/// The fewest samples of a figure.
const SAMPLES_MIN: usize = 20;
/// The most samples of a figure.
const SAMPLES_MAX: usize = 5_000;

/// What was measured in each round.
pub(crate) struct Figures {
    /// By the number of idle clients: the median round trip, in microseconds.
    pub(crate) idle: Vec<Vec<f64>>,
    /// Messages in a second.
    pub(crate) busy: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(counts: usize) -> Self {
        Self { idle: vec![Vec::new(); counts], busy: Vec::new() }
    }
}

/// Lets this process have as many connections as the system allows it.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised is enough, or a connection will fail and say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The middle one of some samples.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(client)
}

/// One message there and back.
fn round_trip(client: &mut TcpStream) -> Result<()> {
    client.write_all(&MESSAGE)?;
    client.read_exact(&mut [0; MESSAGE.len()])
}

/// The median round trip of one client beside so many idle ones, in microseconds.
pub(crate) fn round_trips(address: SocketAddr, counts: &[usize]) -> Result<Vec<f64>> {
    let mut idle: Vec<TcpStream> = Vec::new();
    let mut talker = connect(address)?;
    let mut medians = Vec::new();
    for &count in counts {
        while idle.len() < count {
            let wave = WAVE.min(count - idle.len());
            for _ in 0..wave {
                idle.push(connect(address)?);
            }
            // The last one is served after all those before it.
            if let Some(last) = idle.last_mut() {
                round_trip(last)?;
            }
        }
        medians.push(sample(&mut talker)?);
    }
    Ok(medians)
}

/// The median round trip of one client, in microseconds.
fn sample(talker: &mut TcpStream) -> Result<f64> {
    // What connecting has left behind in queues, and in the scheduler's books, is not what is asked for.
    std::thread::sleep(2 * SPAN);
    let start = Instant::now();
    while start.elapsed() < SPAN / 2 {
        round_trip(talker)?;
    }
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < SAMPLES_MIN || (start.elapsed() < SPAN && samples.len() < SAMPLES_MAX) {
        let sent = Instant::now();
        round_trip(talker)?;
        samples.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut samples))
}

/// How many messages a second go there and back, with many clients that each have one under way.
#[expect(clippy::cast_precision_loss, reason = "there are not that many messages")]
pub(crate) fn throughput(address: SocketAddr) -> Result<f64> {
    let mut clients = (0..BUSY).map(|_| connect(address)).collect::<Result<Vec<_>>>()?;
    let mut messages = 0_usize;
    let mut start = Instant::now();
    let mut warm = false;
    loop {
        for client in &mut clients {
            client.write_all(&MESSAGE)?;
        }
        for client in &mut clients {
            client.read_exact(&mut [0; MESSAGE.len()])?;
        }
        messages += BUSY;
        if !warm && start.elapsed() > SPAN / 4 {
            (warm, messages, start) = (true, 0, Instant::now());
        } else if warm && start.elapsed() > SPAN {
            return Ok(messages as f64 / start.elapsed().as_secs_f64());
        }
    }
}
