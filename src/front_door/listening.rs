//! A server that has its addresses.

use std::net::SocketAddr;
#[cfg(not(target_os = "wasi"))]
use std::path::Path;
use std::vec::Vec;

use selkie_core::counters::LoopCounters;
use selkie_core::mailbox::Receives;
use selkie_core::{
    Context, Counters, Error, ErrorKind, Event, EventLoop, Handler, Server, Service, Token,
};
#[cfg(not(target_os = "wasi"))]
use selkie_std::SocketFile;

use super::builder::{Builder, LISTENERS_MAX};
use super::error::{ServeError, Step};
use super::handle::Handle;
#[cfg(not(target_os = "wasi"))]
use super::open::OwnedSource;
use super::open::{self, Backend, Platform};
use super::postbox::Postbox;
use crate::memory::{HeapLoop, HeapServer};
use crate::platform::Socket;

/// A server that has its addresses, and serves when it is [run](Self::run). Until then clients
/// wait in the platform's backlog.
#[derive(Debug)]
pub struct Listening {
    settings: Builder,
    event_loop: EventLoop<Platform, HeapLoop>,
    listeners: Vec<Listener>,
    /// Removed when the server ends.
    #[cfg(not(target_os = "wasi"))]
    files: Vec<SocketFile>,
    handle: Handle,
}

/// A listener that is not served yet.
#[derive(Clone, Copy, Debug)]
struct Listener {
    source: Socket,
    /// Another process has it too: it stays open, with its backlog, when the server drains.
    is_inherited: bool,
}

impl Listening {
    /// Opens the platform, and takes the memory of the loop.
    pub(super) fn open(settings: Builder) -> Result<Self, ServeError> {
        let platform = settings.platform()?;
        let mut event_loop = EventLoop::new(platform, settings.loop_memory()?);
        let waker = open::Waker::new(&mut event_loop.context())
            .map_err(|error| ServeError::new(Step::Platform, error))?;
        Ok(Self {
            settings,
            event_loop,
            listeners: Vec::with_capacity(LISTENERS_MAX),
            #[cfg(not(target_os = "wasi"))]
            files: Vec::new(),
            handle: Handle::new(waker),
        })
    }

    /// Opens another listener, up to 16.
    ///
    /// # Errors
    ///
    /// [`ServeError`], as [`Builder::listen`].
    pub fn listen(mut self, address: SocketAddr) -> Result<Self, ServeError> {
        self.check_room().map_err(|error| ServeError::new(Step::Listen(address), error))?;
        let options = self.settings.options();
        let source = open::listen(self.event_loop.context().platform, address, options)?;
        self.listeners.push(Listener { source, is_inherited: false });
        Ok(self)
    }

    /// Opens another listener, at the path of a Unix socket.
    ///
    /// # Errors
    ///
    /// [`ServeError`], as [`Builder::listen_unix`].
    #[cfg(not(target_os = "wasi"))]
    pub fn listen_unix(mut self, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        let path = path.as_ref();
        let failed = |error| ServeError::new(Step::ListenUnix(path.into()), error);
        self.check_room().map_err(failed)?;
        let options = *self.settings.options();
        let platform = self.event_loop.context().platform;
        let (source, file) = platform.listen_unix(path, &options).map_err(failed)?;
        self.listeners.push(Listener { source, is_inherited: false });
        self.files.push(file);
        Ok(self)
    }

    /// Serves another listener, which was opened elsewhere.
    ///
    /// # Errors
    ///
    /// [`ServeError`], as [`Builder::listen_on`].
    #[cfg(not(target_os = "wasi"))]
    pub fn listen_on(mut self, listener: impl Into<OwnedSource>) -> Result<Self, ServeError> {
        let failed = |error| ServeError::new(Step::Inherited, error);
        self.check_room().map_err(failed)?;
        let options = *self.settings.options();
        let platform = self.event_loop.context().platform;
        let taken = platform.listen_on(listener, &options);
        let source = taken.map_err(|(error, _closed)| failed(error))?;
        self.listeners.push(Listener { source, is_inherited: true });
        Ok(self)
    }

    fn check_room(&self) -> Result<(), Error> {
        if self.listeners.len() < LISTENERS_MAX { Ok(()) } else { Err(ErrorKind::Full.into()) }
    }

    /// Returns the address of the first listener, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a Unix socket, and on WASI 0.1, where only the host knows it.
    pub fn local_address(&mut self) -> Result<SocketAddr, Error> {
        let listener = self.listeners.first().copied().ok_or(ErrorKind::NotRegistered)?;
        open::local_address(self.event_loop.context().platform, listener.source)
    }

    /// Returns the backend that waits.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.settings.backend_or_default()
    }

    /// Returns a handle that ends the server.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Makes a postbox, by which other threads send messages to connections of this server. It is
    /// served by [`run_receiving`](Self::run_receiving).
    #[must_use]
    pub fn postbox<M, const N: usize>(&self) -> Postbox<M, N> {
        Postbox::new(self.handle())
    }

    /// Lends the loop's context, to open and register sources that a handler
    /// [beside](Self::run_beside) the server watches.
    pub fn context(&mut self) -> Context<'_, Platform> {
        self.event_loop.context()
    }

    /// Takes the memory of the server for sessions of `T`, so that a program that prints that it
    /// listens has all its memory by then.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if there is too little memory.
    pub fn reserve<T>(self) -> Result<Ready<T>, ServeError> {
        let memory = self.settings.server_memory()?;
        Ok(Ready { listening: self, memory })
    }

    /// Serves until a [handle](Self::handle) ends it.
    ///
    /// Prints nothing, and installs no signal handler. Memory is taken before the first client is
    /// accepted, and none after that. An inherited listener stays open when the
    /// server drains: its backlog belongs to the successor.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if there is too little memory, or if the platform cannot wait.
    pub fn run<S: Service>(self, service: S) -> Result<Finished<S>, ServeError> {
        self.reserve()?.run(service)
    }

    /// Serves as [`run`](Self::run) does, with a handler for sources that are not the server's: it
    /// is called for every token that the [context](Self::context) gave to others.
    ///
    /// ```
    /// use selkie::front_door::Handle;
    /// use selkie::platform::{AnySelector, Platform};
    /// use selkie::{Builder, Context, Event, Handler};
    /// # use selkie::{Peer, Service};
    /// # struct Echo;
    /// # impl Service for Echo {
    /// #     type Session = ();
    /// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
    /// #         peer.send_some(bytes)
    /// #     }
    /// # }
    ///
    /// /// Stops the server after a while.
    /// struct Limit(Handle);
    ///
    /// impl Handler<Platform<AnySelector<'static>>> for Limit {
    ///     fn ready(&mut self, _: &mut Context<'_, Platform<AnySelector<'static>>>, _: Event) {}
    ///
    ///     fn expired(
    ///         &mut self,
    ///         _: &mut Context<'_, Platform<AnySelector<'static>>>,
    ///         _: selkie::Token,
    ///     ) {
    ///         self.0.stop();
    ///     }
    /// }
    ///
    /// let mut server = Builder::new().listen("127.0.0.1:0".parse()?)?;
    /// let mut limit = Limit(server.handle());
    /// let mut context = server.context();
    /// let token = context.issue()?;
    /// let end = context.now() + std::time::Duration::from_millis(1);
    /// context.set_timer(token, end)?;
    /// server.run_beside(Echo, &mut limit)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_beside<S: Service, H: Handler<Platform>>(
        self,
        service: S,
        handler: &mut H,
    ) -> Result<Finished<S>, ServeError> {
        self.reserve()?.run_beside(service, handler)
    }

    /// Serves as [`run`](Self::run) does, and delivers what is posted into a
    /// [postbox](Self::postbox) of this server.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// If another server made the postbox.
    pub fn run_receiving<S: Receives<M>, M, const N: usize>(
        self,
        service: S,
        postbox: &Postbox<M, N>,
    ) -> Result<Finished<S>, ServeError> {
        self.reserve()?.run_receiving(service, postbox)
    }
}

/// A server that has its addresses and all its memory.
#[derive(Debug)]
pub struct Ready<T> {
    listening: Listening,
    memory: HeapServer<Socket, T>,
}

impl<T> Ready<T> {
    /// Serves as [`Listening::run`] does.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the platform cannot wait.
    pub fn run<S: Service<Session = T>>(self, service: S) -> Result<Finished<S>, ServeError> {
        self.serve::<S, NoHandler, false>(service, &mut NoHandler, |_, _| {})
    }

    /// Serves as [`Listening::run_beside`] does.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the platform cannot wait.
    pub fn run_beside<S: Service<Session = T>, H: Handler<Platform>>(
        self,
        service: S,
        handler: &mut H,
    ) -> Result<Finished<S>, ServeError> {
        self.serve::<S, H, true>(service, handler, |_, _| {})
    }

    /// Serves as [`Listening::run_receiving`] does.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the platform cannot wait.
    ///
    /// # Panics
    ///
    /// If another server made the postbox.
    pub fn run_receiving<S: Receives<M, Session = T>, M, const N: usize>(
        self,
        service: S,
        postbox: &Postbox<M, N>,
    ) -> Result<Finished<S>, ServeError> {
        postbox.assert_made_by(&self.listening.handle);
        self.serve::<S, NoHandler, false>(service, &mut NoHandler, |server, context| {
            postbox.deliver(server, context);
        })
    }

    fn serve<S: Service<Session = T>, H: Handler<Platform>, const BESIDE: bool>(
        self,
        service: S,
        handler: &mut H,
        mut deliver: impl FnMut(&mut FrontServer<S>, &mut Context<'_, Platform>),
    ) -> Result<Finished<S>, ServeError> {
        let Self { listening, memory } = self;
        let Listening { settings, mut event_loop, listeners, handle, .. } = listening;
        let server = settings.server(service, memory);
        let mut work = Work::<'_, S, H, BESIDE> { server, handler };
        let failed = |error| ServeError::new(Step::Wait, error);
        let mut inherited = Vec::with_capacity(LISTENERS_MAX);
        for listener in listeners {
            let context = &mut event_loop.context();
            let token = work.server.listen(context, listener.source).map_err(failed)?;
            if listener.is_inherited {
                inherited.push(token);
            }
        }
        while !event_loop.is_stopped() && !handle.is_stopped() {
            event_loop.run_once(&mut work).map_err(failed)?;
            deliver(&mut work.server, &mut event_loop.context());
            if let Some(grace) = handle.take_drain() {
                let mut context = event_loop.context();
                for listener in inherited.drain(..) {
                    // The platform keeps it open until all is over. A failure to deregister it
                    // takes nothing from that.
                    let _ = work.server.unlisten(&mut context, listener);
                }
                let deadline = context.now() + grace;
                work.server.drain(&mut context, deadline);
            }
        }
        let (counters, loop_counters) = (*work.server.counters(), event_loop.counters());
        Ok(Finished { service: work.server.into_service(), counters, loop_counters })
    }
}

/// A server with the memory of the front door.
pub(super) type FrontServer<S> = Server<Platform, S, HeapServer<Socket, <S as Service>::Session>>;

/// The handler of the loop: the server, and if `BESIDE` a handler for the rest.
struct Work<'h, S: Service, H, const BESIDE: bool> {
    server: FrontServer<S>,
    handler: &'h mut H,
}

impl<S: Service, H: Handler<Platform>, const BESIDE: bool> Handler<Platform>
    for Work<'_, S, H, BESIDE>
{
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        if !BESIDE || self.server.owns(context, event.token) {
            self.server.ready(context, event);
        } else {
            self.handler.ready(context, event);
        }
    }

    #[inline]
    fn expired(&mut self, context: &mut Context<'_, Platform>, token: Token) {
        if !BESIDE || self.server.owns(context, token) {
            self.server.expired(context, token);
        } else {
            self.handler.expired(context, token);
        }
    }
}

/// Nothing beside the server.
struct NoHandler;

impl Handler<Platform> for NoHandler {
    fn ready(&mut self, _: &mut Context<'_, Platform>, _: Event) {}
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
