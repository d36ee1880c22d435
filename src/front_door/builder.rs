//! The sizes and times of a server, and the server itself.

use std::net::SocketAddr;
use std::time::Duration;
use std::vec::Vec;

use selkie_core::memory::{Block, ConnectionEntry, Slot, TimerSlot};
use selkie_core::platform::ListenOptions;
use selkie_core::{
    Config, Counters, Error, ErrorKind, Event, EventLoop, LoopCounters, Server, Service,
};

use super::error::{ServeError, Step};
use super::handle::Handle;
use super::open::{self, Backend, Platform};
use crate::{HeapLoop, HeapServer, Socket};

/// Listeners that fit beside the connections.
const LISTENERS_MAX: usize = 16;
/// The token of the waker, and one to spare for a handler around the server.
const TOKENS_BESIDE: usize = 2;

/// Sizes and times of a server. The defaults suit most: 1,024 connections, buffers of 16 KiB (of
/// which untouched pages take no memory), no idle time-out.
///
/// ```no_run
/// # use selkie::{Builder, Peer, Service};
/// # struct Echo;
/// # impl Service for Echo {
/// #     type Session = ();
/// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
/// #         peer.send(bytes).map_or(0, |()| bytes.len())
/// #     }
/// # }
/// use std::time::Duration;
///
/// let mut server = Builder::new()
///     .connections(10_000)
///     .idle_timeout(Some(Duration::from_secs(60)))
///     .listen("127.0.0.1:7000".parse()?)?;
/// println!("listening on {}", server.local_address()?);
/// server.run(Echo)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    connections: usize,
    buffers_each: usize,
    buffer_size: usize,
    events: usize,
    backend: Option<Backend>,
    listen_options: ListenOptions,
    config: Config,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Takes the defaults.
    pub const fn new() -> Self {
        Self {
            connections: 1024,
            buffers_each: open::BUFFERS_EACH,
            buffer_size: 16 << 10,
            events: 512,
            backend: None,
            listen_options: ListenOptions::DEFAULT,
            config: Config::DEFAULT,
        }
    }

    /// Sets the number of connections that are served at once; more wait until one leaves. At
    /// least 1.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Sets the size of a buffer in bytes: the longest send, and the most unread input that is
    /// kept for a service. At least 1.
    pub const fn buffer_size(mut self, buffer_size: usize) -> Self {
        self.buffer_size = if buffer_size == 0 { 1 } else { buffer_size };
        self
    }

    /// Sets the number of buffers for each connection, 1 or 2. With 2 no connection ever waits for
    /// another's buffer; that is the default where untouched pages take no memory.
    pub const fn buffers_each(mut self, buffers_each: usize) -> Self {
        self.buffers_each = if buffers_each > 1 { 2 } else { 1 };
        self
    }

    /// Sets the most events that one wait reports. At least 1.
    pub const fn events(mut self, events: usize) -> Self {
        self.events = if events == 0 { 1 } else { events };
        self
    }

    /// Sets the backend to wait with; the best that the platform has, if not set.
    pub const fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Sets how listeners are opened. The default probes silent peers, so that one that vanishes
    /// does not keep its slot. On WASI 0.1 the host opens the listener, in its own way.
    pub const fn listen_options(mut self, listen_options: ListenOptions) -> Self {
        self.listen_options = listen_options;
        self
    }

    /// Sets the time without a byte after which a connection is closed; `None` for never.
    pub fn idle_timeout(mut self, idle_timeout: Option<Duration>) -> Self {
        self.config = self.config.idle_timeout(idle_timeout);
        self
    }

    /// Sets all limits and times at once. The number of connections stays as it is.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Returns the bytes that a server of `S` takes from the heap, without those of the platform's
    /// own tables. Most are touched only when they are used.
    #[must_use]
    pub const fn memory<S: Service>(&self) -> usize {
        let slot =
            size_of::<Slot>() + size_of::<TimerSlot>() + size_of::<ConnectionEntry<Socket>>();
        let own = size_of::<Option<S::Session>>();
        let buffer = size_of::<Block>() + self.buffer_size;
        self.slots() * (slot + own + self.buffers_each * buffer)
            + self.events * size_of::<Event>()
            + self.buffer_size
    }

    /// Returns the number of slots of the loop: tokens have an index below that.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.connections.saturating_add(LISTENERS_MAX + TOKENS_BESIDE)
    }

    /// Returns the number of connections.
    #[cfg(unix)]
    pub(super) const fn connections_max(&self) -> usize {
        self.connections
    }

    /// Returns the backend to wait with.
    pub(super) fn backend_or_default(&self) -> Backend {
        self.backend.unwrap_or_default()
    }

    /// Returns how listeners are opened.
    #[cfg(unix)]
    pub(super) const fn options(&self) -> &ListenOptions {
        &self.listen_options
    }

    /// Takes the memory of a loop.
    pub(super) fn loop_memory(&self) -> Result<HeapLoop, ServeError> {
        HeapLoop::new(self.slots(), self.events).map_err(|error| self.no_memory(error))
    }

    /// Takes the memory of a server.
    pub(super) fn server_memory<T>(&self) -> Result<HeapServer<Socket, T>, ServeError> {
        let buffers = self.slots().saturating_mul(self.buffers_each);
        HeapServer::new(self.slots(), buffers, self.buffer_size)
            .map_err(|error| self.no_memory(error))
    }

    /// Makes a server.
    pub(super) fn server<S: Service>(
        &self,
        service: S,
        memory: HeapServer<Socket, S::Session>,
    ) -> Server<Platform, S, HeapServer<Socket, S::Session>> {
        Server::new(service, self.config.connections_max(self.connections), memory)
    }

    const fn no_memory(&self, error: Error) -> ServeError {
        ServeError::new(Step::Memory(self.connections), error)
    }

    /// Opens the platform and a listener at `address`. WASI 0.1 ignores the address, and takes the
    /// listener that the host has opened.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: too few descriptors, too little memory, an address that cannot be had.
    pub fn listen(self, address: SocketAddr) -> Result<Listening, ServeError> {
        let slots = self.slots();
        let backend = self.backend_or_default();
        let platform = open::platform(backend, self.connections, slots)?;
        let mut event_loop = EventLoop::new(platform, self.loop_memory()?);
        let waker = open::Waker::new(&mut event_loop.context())
            .map_err(|error| ServeError::new(Step::Platform, error))?;
        let handle = Handle::new(waker);
        let listeners = Vec::with_capacity(LISTENERS_MAX);
        Listening { settings: self, backend, event_loop, listeners, handle }.listen(address)
    }
}

/// A server that has its addresses, and serves when it is [run](Self::run). Until then clients
/// wait in the platform's backlog.
#[derive(Debug)]
pub struct Listening {
    settings: Builder,
    backend: Backend,
    event_loop: EventLoop<Platform, HeapLoop>,
    listeners: Vec<Socket>,
    handle: Handle,
}

impl Listening {
    /// Opens another listener, up to 16.
    ///
    /// # Errors
    ///
    /// [`ServeError`], as [`Builder::listen`].
    pub fn listen(mut self, address: SocketAddr) -> Result<Self, ServeError> {
        if self.listeners.len() == LISTENERS_MAX {
            return Err(ServeError::new(Step::Listen(address), ErrorKind::Full.into()));
        }
        let options = &self.settings.listen_options;
        let listener = open::listen(self.event_loop.context().platform, address, options)?;
        self.listeners.push(listener);
        Ok(self)
    }

    /// Returns the address of the first listener, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] on WASI 0.1, where only the host knows it.
    pub fn local_address(&mut self) -> Result<SocketAddr, Error> {
        let listener = self.listeners.first().copied().ok_or(ErrorKind::NotRegistered)?;
        open::local_address(self.event_loop.context().platform, listener)
    }

    /// Returns the backend that waits.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns a handle that ends the server.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until a [handle](Self::handle) ends it.
    ///
    /// Prints nothing, and installs no signal handler. Memory is taken before the first client is
    /// accepted, and none after that.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the platform cannot wait.
    pub fn run<S: Service>(self, service: S) -> Result<Finished<S>, ServeError> {
        let Self { settings, mut event_loop, listeners, handle, .. } = self;
        let memory = settings.server_memory()?;
        let mut server = settings.server(service, memory);
        let failed = |error| ServeError::new(Step::Wait, error);
        for listener in listeners {
            server.listen(&mut event_loop.context(), listener).map_err(failed)?;
        }
        while !event_loop.is_stopped() && !handle.is_stopped() {
            event_loop.run_once(&mut server).map_err(failed)?;
            if let Some(grace) = handle.take_drain() {
                let mut context = event_loop.context();
                let deadline = context.now() + grace;
                server.drain(&mut context, deadline);
            }
        }
        let (counters, loop_counters) = (*server.counters(), event_loop.counters());
        Ok(Finished { service: server.into_service(), counters, loop_counters })
    }
}

/// The rest of a server that has ended: its service and its counts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished<S> {
    /// The service.
    pub service: S,
    /// The counts of the server.
    pub counters: Counters,
    /// The counts of its loop.
    pub loop_counters: LoopCounters,
}
