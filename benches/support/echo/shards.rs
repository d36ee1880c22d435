//! Ours on several cores: a loop on each.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::selkie::shards::{Distribution, Shards, ShardsHandle};
use ::selkie::{Builder, CloseReason, Peer, Service};

use crate::support::process;

/// Echoes, and ends its server when the last of the clients has left.
struct Counted {
    opened: Arc<[AtomicUsize]>,
    shard: usize,
    left: Arc<AtomicUsize>,
    handle: ShardsHandle,
}

impl Service for Counted {
    type Session = ();

    fn opened(&mut self, _: &mut Peer<'_>, (): &mut ()) {
        self.opened[self.shard].fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }

    fn closed(&mut self, _: &mut Peer<'_>, (): &mut (), _: CloseReason) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.handle.stop();
        }
    }
}

/// Serves so many connections until all of them are closed, each shard on a core of its own, and
/// over a ring if `over_ring` is set. Prints the port first, and returns the connections of each
/// shard.
pub(crate) fn serve(
    shards: usize,
    distribution: Distribution,
    connections: usize,
    over_ring: bool,
) -> Vec<usize> {
    process::descriptors_max();
    process::pin_to_cores(0..shards);
    let settings = Shards::new(Builder::new().connections(connections), shards)
        .distribution(distribution)
        .pinned(true);
    let address = ([127, 0, 0, 1], 0).into();
    let opened = if over_ring { settings.listen_ring(address) } else { settings.listen(address) };
    let server = opened.expect("a free port, and io_uring");
    println!("{}", server.local_address().port());
    std::io::stdout().flush().expect("the benchmark reads the port");
    let opened: Arc<[AtomicUsize]> = (0..shards).map(|_| AtomicUsize::new(0)).collect();
    let left = Arc::new(AtomicUsize::new(connections));
    let handle = server.handle();
    let service = |shard| Counted {
        opened: Arc::clone(&opened),
        shard,
        left: Arc::clone(&left),
        handle: handle.clone(),
    };
    server.run(service).expect("memory for all shards");
    opened.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}
