//! Ending shards from outside.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::link::Link;
use crate::front_door::handle::Handle;

/// Ends shards, from any thread. Clones end the same ones.
#[derive(Clone, Debug)]
pub struct ShardsHandle {
    links: Arc<[Link]>,
    /// The handle of the thread that accepts for all, where there is one.
    acceptor: Option<Handle>,
    /// Locked while it is decided which shard is the last one.
    deciding: Arc<Mutex<()>>,
}

impl ShardsHandle {
    pub(super) fn new(links: Arc<[Link]>, acceptor: Option<Handle>) -> Self {
        Self { links, acceptor, deciding: Arc::default() }
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    /// Wakes the thread that accepts for all, which then looks at the shards again.
    pub(super) fn wake_acceptor(&self) {
        if let Some(acceptor) = &self.acceptor {
            acceptor.wake();
        }
    }

    /// Returns the number of shards, those that have ended included.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.links.len()
    }

    /// Shuts all shards down gracefully, as [`Handle::drain`] does for one server.
    pub fn drain(&self, grace: Duration) {
        match &self.acceptor {
            // It accepts its backlog, and then drains the shards.
            Some(acceptor) => acceptor.drain(grace),
            None => self.drain_shards(grace),
        }
    }

    /// Drains every shard.
    pub(super) fn drain_shards(&self, grace: Duration) {
        // First all of them: none hands its listener to another that drains as well.
        self.links.iter().for_each(Link::leave);
        for link in &*self.links {
            link.handle().drain(grace);
        }
    }

    /// Shuts one shard down gracefully, while the others serve on. Its listener stays open, and is
    /// handed to one of them, so that no client in its backlog is lost. The last one that stays is
    /// drained as by [`drain`](Self::drain). A number beyond the last shard changes nothing.
    pub fn drain_shard(&self, shard: usize, grace: Duration) {
        let Some(link) = self.links.get(shard) else { return };
        let _decided = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = self.links.iter().enumerate().filter(|&(index, _)| index != shard);
        match &self.acceptor {
            // The last one first takes what is in the backlog.
            Some(acceptor) if others.all(|(_, link)| link.is_leaving()) => acceptor.drain(grace),
            _ => {
                link.leave();
                link.handle().drain(grace);
            }
        }
    }

    /// Stops all shards at the end of their turn. Connections are closed at once: output that waits
    /// in a server is lost, and a client whose input was not read sees a reset.
    pub fn stop(&self) {
        self.links.iter().for_each(Link::leave);
        for link in &*self.links {
            link.handle().stop();
        }
        if let Some(acceptor) = &self.acceptor {
            acceptor.stop();
        }
    }
}
