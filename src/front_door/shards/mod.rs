//! One server on several cores: a loop, a service and a memory for each thread.
//!
//! ```text
//! mod.rs       Shards: what the user sets, and opening everything
//! platform.rs  what the loop of a shard waits with
//! link.rs      what other threads know of a shard: its queue, its load, its end
//! handle.rs    draining and stopping, one shard or all
//! shard.rs     the loop of one thread
//! mailbox.rs   messages between the services of shards
//! acceptor.rs  accepting for all, where the least loaded shard gets the next connection
//! outcome.rs   what is left when all have ended
//! ```

mod acceptor;
mod handle;
mod link;
mod mailbox;
mod outcome;
mod platform;
mod shard;

use std::net::SocketAddr;
use std::thread;
use std::vec::Vec;

use selkie_core::shards::ShardService;
use selkie_core::{EventLoop, Server, Service, Token};
use selkie_std::shards::{Distribution, steer_by_cpu};
#[cfg(target_os = "linux")]
use selkie_std::uring::Uring;

use super::builder::Builder;
use super::error::{ServeError, Step};
use super::open::{self, Platform};
use crate::memory::{HeapLoop, HeapServer};
use acceptor::Acceptor;
use link::Link;
use mailbox::{NoMailbox, OwnMailbox, ShardMailbox};
use platform::ShardPlatform;
use shard::Shard;

pub use handle::ShardsHandle;
pub use mailbox::Mail;
pub use outcome::{FinishedShards, ShardFailure};

/// A server on several cores: one thread with a loop, a service and a memory of its own for each
/// shard. Shards share nothing but the address, so nothing is locked while they serve.
///
/// The sizes of the [`Builder`] are those of each shard: four shards for 1,024 connections serve
/// 4,096.
///
/// ```no_run
/// # use selkie::{Builder, Peer, Service};
/// # struct Echo;
/// # impl Service for Echo {
/// #     type Session = ();
/// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
/// #         peer.send_some(bytes)
/// #     }
/// # }
/// use selkie::shards::Shards;
/// use selkie::shards::Distribution;
///
/// let server = Shards::new(Builder::new(), 4)
///     .distribution(Distribution::LeastLoaded)
///     .listen("127.0.0.1:7000".parse()?)?;
/// println!("listening on {}", server.local_address());
/// let finished = server.run(|_shard| Echo)?;
/// println!("served {} connections", finished.counters().accepted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Shards {
    settings: Builder,
    count: usize,
    distribution: Distribution,
    is_pinned: bool,
}

impl Shards {
    /// Takes the settings of each shard, and their number: at least 1.
    pub const fn new(settings: Builder, count: usize) -> Self {
        let count = if count == 0 { 1 } else { count };
        // Those of all others, once only one shard is left.
        let settings = settings.with_listeners(count);
        Self { settings, count, distribution: Distribution::Hash, is_pinned: false }
    }

    /// Sets the way in which connections are shared out. [`Distribution::Hash`] if not set.
    pub const fn distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// Binds each shard's thread to a core of its own, on Linux. A process that shares its cores
    /// with others is better served by the scheduler, so it is off by default.
    pub const fn pinned(mut self, is_pinned: bool) -> Self {
        self.is_pinned = is_pinned;
        self
    }

    /// Returns the number of slots of each shard's loop: tokens have an index below that.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.settings.slots()
    }

    /// Returns the bytes that all shards take from the heap, as [`Builder::memory`] counts them.
    #[must_use]
    pub fn memory<S: Service>(&self) -> usize {
        self.settings.memory::<S>().saturating_add(Link::MEMORY).saturating_mul(self.count)
    }

    /// Returns the bytes of all shards over `io_uring`, as [`Builder::ring_memory`] counts them.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn ring_memory<S: Service>(&self) -> usize {
        self.settings.ring_memory::<S>().saturating_add(Link::MEMORY).saturating_mul(self.count)
    }

    /// Returns the bytes that all shards take from the heap if they exchange messages: those of
    /// [`memory`](Self::memory), and mailboxes for `capacity` messages each.
    #[must_use]
    pub fn memory_with_mail<S: ShardService>(&self, capacity: usize) -> usize {
        let mailbox = OwnMailbox::<S::Message>::memory(self.count, capacity);
        self.memory::<S>().saturating_add(mailbox.saturating_mul(self.count))
    }

    /// Opens the platforms of all shards, and their listeners.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: too few descriptors, too little memory, an address that cannot be had;
    /// [`Unsupported`](selkie_core::ErrorKind::Unsupported) for a distribution that the system
    /// does not have.
    pub fn listen(self, address: SocketAddr) -> Result<ListeningShards, ServeError> {
        self.open(address, Parts::Selectors)
    }

    /// Opens a ring of `io_uring` for each shard, on Linux 6.12 and later, as
    /// [`Builder::listen_ring`] does for one loop. The thread that accepts for all, where there is
    /// one, waits with the best selector: it does nothing but accept.
    ///
    /// ```no_run
    /// # use selkie::{Builder, Peer, Service};
    /// # struct Echo;
    /// # impl Service for Echo {
    /// #     type Session = ();
    /// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
    /// #         peer.send_some(bytes)
    /// #     }
    /// # }
    /// use selkie::shards::Shards;
    ///
    /// let (address, shards) = ("127.0.0.1:7000".parse()?, Shards::new(Builder::new(), 4));
    /// let server = match shards.clone().listen_ring(address) {
    ///     Err(reason) if reason.is_without_ring() => {
    ///         println!("{reason}");
    ///         shards.listen(address)?
    ///     }
    ///     opened => opened?,
    /// };
    /// server.run(|_shard| Echo)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen), and [`ServeError::is_without_ring`] where the system does not
    /// allow so many rings: each locks about 52 KiB of memory.
    #[cfg(target_os = "linux")]
    pub fn listen_ring(self, address: SocketAddr) -> Result<ListeningShards, ServeError> {
        self.open(address, Parts::Rings)
    }

    /// Opens shards of which `parts` says what they wait with.
    fn open<P: ShardPlatform>(
        self,
        address: SocketAddr,
        parts_of: fn(Vec<Part<P>>) -> Parts,
    ) -> Result<ListeningShards, ServeError> {
        let connections = self.count.saturating_mul(self.settings.connections_max());
        open::raise_descriptor_limit(connections)?;
        let mut parts = Vec::with_capacity(self.count);
        let mut links = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let (part, link) = self.open_shard()?;
            parts.push(part);
            links.push(link);
        }
        let (address, acceptor) = match self.distribution {
            Distribution::LeastLoaded => {
                let (address, acceptor) = Acceptor::open(address, self.settings.options())?;
                (address, Some(acceptor))
            }
            _ => (self.open_listeners(&mut parts, address)?, None),
        };
        let handle = ShardsHandle::new(links.into(), acceptor.as_ref().map(Acceptor::handle));
        Ok(ListeningShards { settings: self, parts: parts_of(parts), acceptor, handle, address })
    }

    /// Opens what one thread will own.
    fn open_shard<P: ShardPlatform>(&self) -> Result<(Part<P>, Link), ServeError> {
        let settings = &self.settings;
        let mut event_loop = EventLoop::new(P::open(settings)?, settings.loop_memory()?);
        let failed = |error| ServeError::new(Step::Platform, error);
        let (wake, waker) = event_loop.context().waker().map_err(failed)?;
        let waker = open::Waker::of(waker);
        let link = Link::new(waker, settings.connections_max()).map_err(failed)?;
        Ok((Part { event_loop, wake, listener: None }, link))
    }

    /// Opens a listener for each shard, in the order of the shards.
    fn open_listeners<P: ShardPlatform>(
        &self,
        parts: &mut [Part<P>],
        mut address: SocketAddr,
    ) -> Result<SocketAddr, ServeError> {
        let options = self.settings.options().reuse_port(true);
        for part in &mut *parts {
            let platform = part.event_loop.context().platform;
            let failed = |error| ServeError::new(Step::Listen(address), error);
            let listener = platform.listen(address, &options).map_err(failed)?;
            // The first one chooses the port, if it is 0.
            address = platform.local_address(listener).map_err(failed)?;
            part.listener = Some(listener);
        }
        if self.distribution == Distribution::Cpu {
            let last = parts.last_mut().map(|part| (part.listener, part.event_loop.context()));
            if let Some((Some(listener), context)) = last {
                let fd = context.platform.fd(listener);
                fd.and_then(|fd| steer_by_cpu(fd, self.count))
                    .map_err(|error| ServeError::new(Step::Steer, error))?;
            }
        }
        Ok(address)
    }
}

/// The parts that one thread will own.
#[derive(Debug)]
struct Part<P: ShardPlatform> {
    event_loop: EventLoop<P, HeapLoop>,
    /// The token of the loop's waker.
    wake: Token,
    /// Its listener, unless one thread accepts for all.
    listener: Option<P::Source>,
}

/// The parts of all threads.
#[derive(Debug)]
enum Parts {
    Selectors(Vec<Part<Platform>>),
    #[cfg(target_os = "linux")]
    Rings(Vec<Part<Uring>>),
}

/// Shards that have their address, and serve when they are [run](Self::run).
#[derive(Debug)]
pub struct ListeningShards {
    settings: Shards,
    parts: Parts,
    acceptor: Option<Acceptor>,
    handle: ShardsHandle,
    address: SocketAddr,
}

impl ListeningShards {
    /// Returns the address, with the port that the system has chosen.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle that ends one shard or all.
    #[must_use]
    pub fn handle(&self) -> ShardsHandle {
        self.handle.clone()
    }

    /// Serves on a thread for each shard until a [handle](Self::handle) ends them. `service` makes
    /// the service of each shard; it gets the shard's number.
    ///
    /// A shard that panics or cannot wait ends alone: its connections are closed, and the others
    /// serve on.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if there is no memory for a shard, before any of them starts.
    pub fn run<S: Service<Session: Send> + Send>(
        self,
        mut service: impl FnMut(usize) -> S,
    ) -> Result<FinishedShards<S>, ServeError> {
        let services = (0..self.settings.count).map(|shard| (service(shard), NoMailbox)).collect();
        self.serve(services)
    }

    /// Serves as [`run`](Self::run) does, with services that send messages to each other. Each
    /// shard has a mailbox for `capacity` messages, and `service` gets the way to all of them.
    ///
    /// A shard that has drained goes on to take messages until all have.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_with_mail<S: ShardService<Session: Send> + Send>(
        self,
        capacity: usize,
        mut service: impl FnMut(Mail<S::Message>) -> S,
    ) -> Result<FinishedShards<S>, ServeError> {
        let bags = OwnMailbox::all(capacity, &self.handle)
            .map_err(|error| self.settings.settings.no_memory(error))?;
        self.serve(bags.into_iter().map(|(mailbox, mail)| (service(mail), mailbox)).collect())
    }

    fn serve<S: Service<Session: Send> + Send, B: ShardMailbox<S> + Send>(
        self,
        services: Vec<(S, B)>,
    ) -> Result<FinishedShards<S>, ServeError> {
        let Self { settings, parts, acceptor, handle, .. } = self;
        match parts {
            Parts::Selectors(parts) => settings.serve(parts, services, acceptor, &handle),
            #[cfg(target_os = "linux")]
            Parts::Rings(parts) => settings.serve(parts, services, acceptor, &handle),
        }
    }
}

impl Shards {
    /// Serves on a thread for each part.
    fn serve<P: ShardPlatform, S: Service<Session: Send> + Send, B: ShardMailbox<S> + Send>(
        &self,
        parts: Vec<Part<P>>,
        services: Vec<(S, B)>,
        acceptor: Option<Acceptor>,
        handle: &ShardsHandle,
    ) -> Result<FinishedShards<S>, ServeError> {
        let mut shards = Vec::with_capacity(parts.len());
        for (index, (part, (service, mailbox))) in parts.into_iter().zip(services).enumerate() {
            let memory: HeapServer<P::Source, S::Session> = P::server_memory(&self.settings)?;
            let server = Server::new(service, self.settings.server_config(), memory);
            shards.push(Shard::new(index, part, server, mailbox, handle.clone()));
        }
        let is_pinned = self.is_pinned;
        let outcomes = thread::scope(|scope| {
            let threads: Vec<_> =
                shards.into_iter().map(|shard| scope.spawn(move || shard.run(is_pinned))).collect();
            if let Some(acceptor) = acceptor {
                acceptor.run(handle);
            }
            threads.into_iter().map(|thread| outcome::of(thread.join())).collect()
        });
        Ok(FinishedShards { shards: outcomes })
    }
}
