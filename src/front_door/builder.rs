//! The sizes and times of a server, and the server itself.

use std::net::SocketAddr;
#[cfg(not(target_os = "wasi"))]
use std::path::Path;
use std::time::Duration;

use selkie_core::memory::LimitEntry;
use selkie_core::platform::ListenOptions;
use selkie_core::{Config, Error, Server, Service};

use super::error::{ServeError, Step};
use super::listening::Listening;
#[cfg(not(target_os = "wasi"))]
use super::open::OwnedSource;
use super::open::{self, Backend, Platform};
use crate::memory::{HeapLoop, HeapServer};
use crate::platform::Socket;

/// Listeners that fit beside the connections.
pub(super) const LISTENERS_MAX: usize = 16;
/// The token of the waker, and one to spare for a handler around the server.
const TOKENS_BESIDE: usize = 2;

/// Sizes and times of a server. The defaults suit most: 1,024 connections, buffers of 16 KiB (of
/// which untouched pages take no memory), no idle timeout.
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
    /// Listeners that fit beside the connections.
    listeners: usize,
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
            listeners: LISTENERS_MAX,
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

    /// Sets the options that listeners are opened with. The default probes silent peers, so that
    /// one that vanishes does not keep its slot. On WASI 0.1 the host opens the listener, in its
    /// own way. On 0.2 and 0.3 the backlog applies, and listening at a shared port or for both IP
    /// versions is [`Unsupported`](selkie_core::ErrorKind::Unsupported).
    pub const fn listen_options(mut self, listen_options: ListenOptions) -> Self {
        self.listen_options = listen_options;
        self
    }

    /// Sets the time without a byte after which a connection is closed; `None` for never.
    pub const fn idle_timeout(mut self, idle_timeout: Option<Duration>) -> Self {
        self.config = self.config.idle_timeout(idle_timeout);
        self
    }

    /// Sets all limits and times at once. The number of connections stays as it is.
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Returns the bytes of all tables of a server of `S` over a selector: those of the loop, the
    /// server and the platform. Nothing is opened or taken for that. Most are touched only when
    /// they are used.
    ///
    /// ```
    /// use selkie::Builder;
    /// # use selkie::{Peer, Service};
    /// # struct Echo;
    /// # impl Service for Echo {
    /// #     type Session = ();
    /// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
    /// #         peer.send_some(bytes)
    /// #     }
    /// # }
    ///
    /// let settings = Builder::new().connections(100).buffer_size(1024);
    /// let small = settings.memory::<Echo>();
    /// let large = settings.connections(200).memory::<Echo>();
    /// // Two buffers of 1 KiB, and a few words of tables.
    /// assert!((200 * 1024..250 * 1024).contains(&(large - small)));
    /// ```
    #[must_use]
    pub fn memory<S: Service>(&self) -> usize {
        let slots = self.slots();
        open::memory(self.backend_or_default(), self.connections, slots)
            .saturating_add(HeapLoop::memory(slots, self.events_max()))
            .saturating_add(HeapServer::<Socket, S::Session>::memory(
                slots,
                slots.saturating_mul(self.buffers_each),
                self.buffer_size,
            ))
            .saturating_add(self.limits_memory())
    }

    /// Returns the bytes of the table for limits by address and rate, if there are such.
    pub(super) fn limits_memory(&self) -> usize {
        let limits = if self.config.needs_limit_memory() { self.slots() } else { 0 };
        limits.saturating_mul(size_of::<LimitEntry>())
    }

    /// Returns the number of events that a turn takes.
    pub(super) const fn events_max(&self) -> usize {
        self.events
    }

    /// Returns the number of slots of the loop: tokens have an index below that.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.connections.saturating_add(self.listeners).saturating_add(TOKENS_BESIDE)
    }

    /// Makes room for so many listeners, if they are more than usual.
    #[cfg(unix)]
    pub(super) const fn with_listeners(mut self, listeners: usize) -> Self {
        if listeners > self.listeners {
            self.listeners = listeners;
        }
        self
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

    /// Returns the options that listeners are opened with.
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
            .and_then(|memory| self.with_limits(memory))
            .map_err(|error| self.no_memory(error))
    }

    /// Adds a table for limits by address and rate, if there are any.
    pub(super) fn with_limits<Source: Copy, T>(
        &self,
        memory: HeapServer<Source, T>,
    ) -> Result<HeapServer<Source, T>, Error> {
        if self.config.needs_limit_memory() { memory.with_limits() } else { Ok(memory) }
    }

    /// Makes a server.
    pub(super) fn server<S: Service>(
        &self,
        service: S,
        memory: HeapServer<Socket, S::Session>,
    ) -> Server<Platform, S, HeapServer<Socket, S::Session>> {
        Server::new(service, self.server_config(), memory)
    }

    /// Returns the limits of the server.
    pub(super) const fn server_config(&self) -> Config {
        self.config.connections_max(self.connections)
    }

    pub(super) const fn no_memory(&self, error: Error) -> ServeError {
        ServeError::new(Step::Memory(self.connections), error)
    }

    /// Opens the platform.
    pub(super) fn platform(&self) -> Result<Platform, ServeError> {
        open::platform(self.backend_or_default(), self.connections, self.slots())
    }

    /// Opens the platform and a listener at `address`. WASI 0.1 ignores the address, and takes the
    /// listener that the host has opened.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: too few descriptors, too little memory, an address that cannot be had.
    pub fn listen(self, address: SocketAddr) -> Result<Listening, ServeError> {
        Listening::open(self)?.listen(address)
    }

    /// Opens the platform and a listener at the path of a Unix socket. The file of a listener that
    /// has ended without removing it is replaced. The server removes its file when it ends.
    ///
    /// ```
    /// use selkie::{Builder, Peer, Service};
    /// # struct Echo;
    /// # impl Service for Echo {
    /// #     type Session = ();
    /// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
    /// #         peer.send_some(bytes)
    /// #     }
    /// # }
    ///
    /// let path = std::env::temp_dir().join(format!("selkie-door-{}", std::process::id()));
    /// let server = Builder::new().connections(100).listen_unix(&path)?;
    /// server.handle().stop();
    /// server.run(Echo)?;
    /// assert!(!path.exists());
    /// # Ok::<(), selkie::ServeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServeError`]: as [`listen`](Self::listen); a path that is too long, in use, or in a folder
    /// that this user may not write to. On Windows always
    /// [`Unsupported`](selkie_core::ErrorKind::Unsupported).
    #[cfg(not(target_os = "wasi"))]
    pub fn listen_unix(self, path: impl AsRef<Path>) -> Result<Listening, ServeError> {
        Listening::open(self)?.listen_unix(path)
    }

    /// Opens the platform, and serves a listener that was opened elsewhere: inherited from a
    /// service manager (systemd passes descriptor 3; the crate `listenfd` takes it), or made by the
    /// standard library. Options that concern connections apply to it.
    ///
    /// When the server drains it stays open, with its backlog, for the process that has it too.
    ///
    /// ```
    /// use selkie::{Builder, Peer, Service};
    /// # struct Echo;
    /// # impl Service for Echo {
    /// #     type Session = ();
    /// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
    /// #         peer.send_some(bytes)
    /// #     }
    /// # }
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let server = Builder::new().listen_on(listener)?;
    /// server.handle().stop();
    /// server.run(Echo)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServeError`]: as [`listen`](Self::listen); a descriptor that is no listening socket.
    #[cfg(not(target_os = "wasi"))]
    pub fn listen_on(self, listener: impl Into<OwnedSource>) -> Result<Listening, ServeError> {
        Listening::open(self)?.listen_on(listener)
    }
}
