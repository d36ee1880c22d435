//! Messages between the services of shards.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::vec::Vec;

use selkie_core::shards::{Post, ShardService};
use selkie_core::{Context, Error, ErrorKind, Service};
use selkie_std::shards::Inbox;

use super::handle::ShardsHandle;
use super::link::Link;
use super::platform::{ShardPlatform, ShardServer};

/// The part of a shard that exchanges messages with others, if its service does.
pub(super) trait ShardMailbox<S: Service> {
    /// Gives the messages that have arrived to the service.
    fn deliver<P: ShardPlatform>(
        &mut self,
        server: &mut ShardServer<P, S>,
        context: &mut Context<'_, P>,
    );

    /// Wakes those that something was posted to in this turn.
    fn wake_others(&self, links: &[Link]);

    /// Returns whether a shard that has drained may end. Another may have use for it.
    fn may_end(&mut self, links: &[Link]) -> bool;
}

/// No messages.
pub(super) struct NoMailbox;

impl<S: Service> ShardMailbox<S> for NoMailbox {
    fn deliver<P: ShardPlatform>(&mut self, _: &mut ShardServer<P, S>, _: &mut Context<'_, P>) {}

    fn wake_others(&self, _: &[Link]) {}

    fn may_end(&mut self, _: &[Link]) -> bool {
        true
    }
}

/// The mailboxes of all shards.
struct Mailboxes<M> {
    /// With each message the shard that has posted it.
    inboxes: Vec<Inbox<(usize, M)>>,
    /// Shards that have not drained yet.
    undrained: AtomicUsize,
}

/// The shards that one shard has posted to in this turn.
#[derive(Debug)]
struct Posted {
    shards: Vec<AtomicBool>,
    any: AtomicBool,
}

/// The way to the mailboxes of other shards, for a [`ShardService`].
pub struct Mail<M> {
    shard: usize,
    mailboxes: Arc<Mailboxes<M>>,
    posted: Arc<Posted>,
}

impl<M> fmt::Debug for Mail<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mail").field("shard", &self.shard).finish_non_exhaustive()
    }
}

impl<M> Post<M> for Mail<M> {
    fn shard(&self) -> usize {
        self.shard
    }

    fn shards(&self) -> usize {
        self.mailboxes.inboxes.len()
    }

    fn post(&mut self, shard: usize, message: M) -> Result<(), M> {
        let Some(inbox) = self.mailboxes.inboxes.get(shard) else { return Err(message) };
        inbox.push((self.shard, message)).map_err(|(_, message)| message)?;
        // Only the shard itself reads these.
        self.posted.shards[shard].store(true, Ordering::Relaxed);
        self.posted.any.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The mailbox of a shard.
pub(super) struct OwnMailbox<M> {
    shard: usize,
    mailboxes: Arc<Mailboxes<M>>,
    posted: Arc<Posted>,
    /// The queue that is exchanged for the one in the mailbox.
    batch: VecDeque<(usize, M)>,
    has_drained: bool,
    /// Used when the shard ends.
    handle: ShardsHandle,
}

impl<M> OwnMailbox<M> {
    /// Returns the bytes of the mailbox of one of `count` shards: two queues that are exchanged,
    /// and a flag for each shard that something may be posted to.
    pub(super) const fn memory(count: usize, capacity: usize) -> usize {
        Inbox::<(usize, M)>::memory(capacity)
            .saturating_mul(2)
            .saturating_add(size_of::<Inbox<(usize, M)>>())
            .saturating_add(count.saturating_mul(size_of::<AtomicBool>()))
    }

    /// Makes mailboxes for `capacity` messages each, and the ways to them.
    pub(super) fn all(
        capacity: usize,
        handle: &ShardsHandle,
    ) -> Result<Vec<(Self, Mail<M>)>, Error> {
        let count = handle.shards();
        let inboxes = (0..count).map(|_| Inbox::new(capacity)).collect::<Result<Vec<_>, _>>()?;
        let mailboxes = Arc::new(Mailboxes { inboxes, undrained: AtomicUsize::new(count) });
        let mailbox = |shard| {
            let mut batch = VecDeque::new();
            batch.try_reserve_exact(capacity).map_err(|_| ErrorKind::OutOfMemory)?;
            let shards = (0..count).map(|_| AtomicBool::new(false)).collect();
            let posted = Arc::new(Posted { shards, any: AtomicBool::new(false) });
            let mail =
                Mail { shard, mailboxes: Arc::clone(&mailboxes), posted: Arc::clone(&posted) };
            let mailboxes = Arc::clone(&mailboxes);
            let handle = handle.clone();
            Ok((Self { shard, mailboxes, posted, batch, has_drained: false, handle }, mail))
        };
        (0..count).map(mailbox).collect()
    }

    /// Records that this shard has drained. The last one wakes all, which may end now.
    fn count_as_drained(&mut self, links: &[Link]) {
        if std::mem::replace(&mut self.has_drained, true) {
            return;
        }
        if self.mailboxes.undrained.fetch_sub(1, Ordering::AcqRel) == 1 {
            links.iter().for_each(Link::wake);
        }
    }
}

impl<S: ShardService> ShardMailbox<S> for OwnMailbox<S::Message> {
    fn deliver<P: ShardPlatform>(
        &mut self,
        server: &mut ShardServer<P, S>,
        context: &mut Context<'_, P>,
    ) {
        if !self.mailboxes.inboxes[self.shard].take_all(&mut self.batch) {
            return;
        }
        // One by one: if the service panics, the rest is given back.
        let mut messages =
            std::iter::from_fn(|| self.batch.pop_front().map(|(_, message)| message));
        server.with_all(context, |service, peers| service.messages(peers, &mut messages));
        self.batch.clear();
    }

    fn wake_others(&self, links: &[Link]) {
        if !self.posted.any.load(Ordering::Relaxed) {
            return;
        }
        self.posted.any.store(false, Ordering::Relaxed);
        for (shard, link) in self.posted.shards.iter().zip(links) {
            if shard.load(Ordering::Relaxed) {
                shard.store(false, Ordering::Relaxed);
                link.wake();
            }
        }
    }

    fn may_end(&mut self, links: &[Link]) -> bool {
        self.count_as_drained(links);
        self.mailboxes.undrained.load(Ordering::Acquire) == 0
    }
}

impl<M> Drop for OwnMailbox<M> {
    /// Gives the messages that it has not taken back to the shards that have posted them.
    fn drop(&mut self) {
        let handle = self.handle.clone();
        self.count_as_drained(handle.links());
        let batch = std::mem::take(&mut self.batch);
        for (origin, message) in batch.into_iter().chain(self.mailboxes.inboxes[self.shard].close())
        {
            if origin != self.shard
                && self.mailboxes.inboxes[origin].push((self.shard, message)).is_ok()
            {
                handle.links()[origin].wake();
            }
        }
    }
}
