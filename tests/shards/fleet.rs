//! Shards that run in the background of a test, and clients for them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use selkie::shards::{Distribution, FinishedShards, ListeningShards, Shards, ShardsHandle};
use selkie::{Builder, Peer, Service};

/// The most time that a step of these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Answers each byte with the number of its shard, panics at `!`, and is stalled by `.`.
#[derive(Debug)]
pub(crate) struct WhichShard {
    shard: u8,
    stall: Arc<Barrier>,
    open: Arc<[AtomicUsize]>,
}

impl Service for WhichShard {
    type Session = ();

    fn opened(&mut self, _: &mut Peer<'_>, (): &mut ()) {
        self.open[usize::from(self.shard)].fetch_add(1, Ordering::SeqCst);
    }

    /// Serves a client that has not asked yet. It leaves when it has its answer.
    fn draining(&mut self, _: &mut Peer<'_>, (): &mut ()) {}

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        assert!(!bytes.contains(&b'!'), "asked to panic");
        if bytes.contains(&b'.') {
            // Once to say that it is stalled, once to go on.
            self.stall.wait();
            self.stall.wait();
        }
        peer.send_some(&vec![b'0' + self.shard; bytes.len()])
    }
}

/// The platform that shards wait with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waits {
    Selector,
    #[cfg(target_os = "linux")]
    Ring,
}

impl Waits {
    /// Opens shards at a free port.
    pub(crate) fn listen(self, shards: Shards) -> ListeningShards {
        let address = ([127, 0, 0, 1], 0).into();
        let opened = match self {
            Self::Selector => shards.listen(address),
            #[cfg(target_os = "linux")]
            Self::Ring => shards.listen_ring(address),
        };
        opened.expect("a free port")
    }
}

/// Shards that run.
pub(crate) struct Fleet {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ShardsHandle,
    /// The barrier at which a stalled shard meets the test.
    pub(crate) stall: Arc<Barrier>,
    open: Arc<[AtomicUsize]>,
    thread: JoinHandle<FinishedShards<WhichShard>>,
}

impl Fleet {
    /// Starts shards with `connections` connections each.
    pub(crate) fn start(
        waits: Waits,
        count: usize,
        distribution: Distribution,
        connections: usize,
    ) -> Self {
        let settings = Builder::new().connections(connections);
        let shards = waits.listen(Shards::new(settings, count).distribution(distribution));
        let open: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let stall = Arc::new(Barrier::new(2));
        let (address, handle) = (shards.local_address(), shards.handle());
        let (counted, stalled) = (Arc::clone(&open), Arc::clone(&stall));
        let thread = thread::spawn(move || {
            let service = |shard| WhichShard {
                shard: u8::try_from(shard).expect("few shards"),
                stall: Arc::clone(&stalled),
                open: Arc::clone(&counted),
            };
            shards.run(service).expect("memory for all shards")
        });
        Self { address, handle, stall, open, thread }
    }

    /// Returns the number of connections that each shard has accepted.
    pub(crate) fn accepted(&self) -> Vec<usize> {
        self.open.iter().map(|open| open.load(Ordering::SeqCst)).collect()
    }

    /// Connects a client.
    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("the listener is open");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        client
    }

    /// Waits until all shards have ended.
    pub(crate) fn finish(self) -> FinishedShards<WhichShard> {
        wait_until("the end of all shards", || self.thread.is_finished());
        self.thread.join().expect("the shards end")
    }
}

/// Asks a client's shard for its number. `None` if the connection was reset or ended.
pub(crate) fn shard_of(client: &mut TcpStream) -> Option<usize> {
    let mut answer = [0];
    client.write_all(b"?").ok()?;
    match uninterrupted(|| client.read(&mut answer)) {
        Ok(1) => Some(usize::from(answer[0] - b'0')),
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in time"),
        Ok(_) | Err(_) => None,
    }
}

/// Calls again what a signal has ended. The thread that has made a ring is interrupted when another
/// one closes it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Waits until `condition` is true.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen in time");
        thread::yield_now();
    }
}
