//! The part of a shard that other threads see: its queue, its load, and that it ends.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use selkie_core::Error;
use selkie_std::shards::Inbox;

use crate::front_door::handle::Handle;
use crate::front_door::open::Waker;

/// Messages that wait for a shard at once. An acceptor pauses at that.
const QUEUE: usize = 256;

/// A descriptor that another thread gives to a shard. It is open, and no selector watches it.
#[derive(Debug)]
pub(super) enum Handed {
    /// A connection, and its peer's address as accepting told it.
    Connection(OwnedFd, Option<SocketAddr>),
    /// The listener of a shard that ends. Closing it would reset the clients in its backlog.
    Listener(OwnedFd),
}

/// One shard, as other threads see it.
#[derive(Debug)]
pub(super) struct Link {
    inbox: Inbox<Handed>,
    /// Requests to drain or stop, which also wake the shard.
    handle: Handle,
    waker: Waker,
    /// Connections that are open or in the queue.
    load: AtomicUsize,
    connections_max: usize,
    /// Set when the shard was told to drain, has failed or has ended: it gets nothing more.
    is_leaving: AtomicBool,
    /// Set while an acceptor waits for a connection less, or for room in the queue.
    is_awaited: AtomicBool,
}

impl Link {
    pub(super) fn new(waker: Waker, connections_max: usize) -> Result<Self, Error> {
        Ok(Self {
            inbox: Inbox::new(QUEUE)?,
            handle: Handle::new(waker.clone()),
            waker,
            load: AtomicUsize::new(0),
            connections_max,
            is_leaving: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
        })
    }

    /// The bytes of a link, its queue included.
    pub(super) const MEMORY: usize = size_of::<Self>() + Inbox::<Handed>::memory(QUEUE);

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Gives something to the shard, and wakes it. Gives it back if the shard takes no more.
    pub(super) fn push(&self, handed: Handed) -> Result<(), Handed> {
        let is_connection = matches!(handed, Handed::Connection(..));
        // Counted first: the shard may have closed it before this thread goes on.
        self.load.fetch_add(usize::from(is_connection), Ordering::AcqRel);
        let pushed = self.inbox.push(handed);
        if pushed.is_err() {
            self.load.fetch_sub(usize::from(is_connection), Ordering::AcqRel);
        } else {
            self.waker.wake();
        }
        pushed
    }

    /// Ends the wait of the shard.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn pop(&self) -> Option<Handed> {
        self.inbox.pop()
    }

    /// Takes no more, and returns what was left in the queue.
    pub(super) fn close(&self) -> impl Iterator<Item = Handed> + use<> {
        self.leave();
        self.inbox.close()
    }

    /// Takes no more if the queue is empty. Returns true if the shard may end.
    pub(super) fn close_if_empty(&self) -> bool {
        let is_closed = self.inbox.close_if_empty();
        if is_closed {
            self.leave();
        }
        is_closed
    }

    /// Returns true once the shard has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    /// Returns the number of connections that it serves at once.
    pub(super) const fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Returns the number of its connections, if it can take one more.
    pub(super) fn load_if_free(&self) -> Option<usize> {
        let load = self.load.load(Ordering::SeqCst);
        let is_free = !self.is_leaving() && load < self.connections_max && self.inbox.has_room();
        is_free.then_some(load)
    }

    /// Adds connections that did not come through the queue.
    pub(super) fn add_load(&self, more: usize) {
        self.load.fetch_add(more, Ordering::AcqRel);
    }

    /// Takes away connections that were closed. Returns true if an acceptor waits for that.
    #[must_use]
    pub(super) fn remove_load(&self, less: usize) -> bool {
        self.load.fetch_sub(less, Ordering::SeqCst);
        self.take_awaited()
    }

    /// Returns true once if an acceptor waits for room.
    #[must_use]
    pub(super) fn take_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst)
    }

    /// Makes the next [`take_awaited`](Self::take_awaited) return true.
    pub(super) fn await_less(&self) {
        self.is_awaited.store(true, Ordering::SeqCst);
    }
}

/// Gives something to the shard that has the fewest connections of those that can take one more.
pub(super) fn push_to_least(links: &[Link], mut handed: Handed) -> Result<(), Handed> {
    // One that fills up or ends meanwhile is free no more, so that the next try finds another.
    for _ in links {
        let free = links.iter().filter_map(|link| link.load_if_free().map(|load| (load, link)));
        let Some((_, link)) = free.min_by_key(|&(load, _)| load) else { break };
        match link.push(handed) {
            Ok(()) => return Ok(()),
            Err(back) => handed = back,
        }
    }
    Err(handed)
}

/// Gives something to any shard that stays.
pub(super) fn push_to_any(links: &[Link], mut handed: Handed) -> Result<(), Handed> {
    for link in links.iter().filter(|link| !link.is_leaving()) {
        match link.push(handed) {
            Ok(()) => return Ok(()),
            Err(back) => handed = back,
        }
    }
    Err(handed)
}
