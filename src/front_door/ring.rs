//! The same server over `io_uring`.

use std::net::SocketAddr;

use selkie_core::mailbox::Receives;
use selkie_core::{Context, Error, EventLoop, Server, Service};
use selkie_std::uring::{Uring, UringSocket, UringStorage};

use super::builder::Builder;
use super::error::{ServeError, Step};
use super::handle::Handle;
use super::listening::Finished;
use super::open::{self, Waker};
use super::postbox::Postbox;
use crate::memory::{HeapLoop, HeapServer};

/// Bytes that are shown to a service at once: all that a connection may keep.
const SCRATCH: usize = 20 << 10;

impl Builder {
    /// Opens a platform over `io_uring` and a listener at `address`, on Linux 6.12 and later. The
    /// sizes of buffers are those of [`Uring`], and the backend is ignored.
    ///
    /// A container may forbid `io_uring`. A program that is to run anyway falls back:
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
    /// let address = "127.0.0.1:7000".parse()?;
    /// match Builder::new().listen_ring(address) {
    ///     Ok(server) => server.run(Echo)?,
    ///     Err(reason) if reason.is_without_ring() => {
    ///         println!("{reason}");
    ///         Builder::new().listen(address)?.run(Echo)?
    ///     }
    ///     Err(error) => return Err(error.into()),
    /// };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen), and [`ServeError::is_without_ring`] where the system does not
    /// allow `io_uring`.
    pub fn listen_ring(self, address: SocketAddr) -> Result<ListeningRing, ServeError> {
        let mut platform = self.ring()?;
        let ring = |error| ServeError::new(Step::Ring, error);
        let listener = platform
            .listen_with(address, self.options())
            .map_err(|error| ServeError::new(Step::Listen(address), error))?;
        let mut event_loop = EventLoop::new(platform, self.loop_memory()?);
        let (_, waker) = event_loop.context().waker().map_err(ring)?;
        let handle = Handle::new(Waker::of(waker));
        Ok(ListeningRing { settings: self, event_loop, listener, handle })
    }

    /// Opens a ring.
    pub(super) fn ring(&self) -> Result<Uring, ServeError> {
        open::raise_descriptor_limit(self.connections_max())?;
        let opened = UringStorage::leaked(self.slots()).and_then(Uring::new);
        opened.map_err(|error| ServeError::new(Step::Ring, error))
    }

    /// Takes the memory of a server over a ring: waiting input and pending output are in the
    /// platform's buffers.
    pub(super) fn ring_server_memory<T>(&self) -> Result<HeapServer<UringSocket, T>, ServeError> {
        HeapServer::new(self.slots(), 0, SCRATCH)
            .and_then(|memory| self.with_limits(memory))
            .map_err(|error| self.no_memory(error))
    }

    /// Returns the bytes of all tables of a server of `S` over `io_uring`, as
    /// [`memory`](Self::memory) does for one over a selector. Most are touched only when they are
    /// used.
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
    /// let small = Builder::new().connections(100).ring_memory::<Echo>();
    /// let large = Builder::new().connections(200).ring_memory::<Echo>();
    /// // 20 KiB of input and 16 KiB of output, and a few words of tables.
    /// assert!((100 * 36 << 10..100 * 40 << 10).contains(&(large - small)));
    /// ```
    #[must_use]
    pub fn ring_memory<S: Service>(&self) -> usize {
        let slots = self.slots();
        UringStorage::memory_for(slots, slots)
            .saturating_add(HeapLoop::memory(slots, self.events_max()))
            .saturating_add(HeapServer::<UringSocket, S::Session>::memory(slots, 0, SCRATCH))
            .saturating_add(self.limits_memory())
    }
}

type RingServer<S> = Server<Uring, S, HeapServer<UringSocket, <S as Service>::Session>>;

/// A server over `io_uring` that has its address, and serves when it is [run](Self::run).
///
/// The thread that runs it is the only one that enters the ring.
#[derive(Debug)]
pub struct ListeningRing {
    settings: Builder,
    event_loop: EventLoop<Uring, HeapLoop>,
    listener: UringSocket,
    handle: Handle,
}

impl ListeningRing {
    /// Returns the address, with the port that the system has chosen.
    ///
    /// # Errors
    ///
    /// As [`Uring::local_address`].
    pub fn local_address(&mut self) -> Result<SocketAddr, Error> {
        self.event_loop.context().platform.local_address(self.listener)
    }

    /// Returns a handle that ends the server.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until a [handle](Self::handle) ends it, as
    /// [`Listening::run`](super::Listening::run) does.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if there is too little memory, or if the platform cannot wait.
    pub fn run<S: Service>(self, service: S) -> Result<Finished<S>, ServeError> {
        self.serve(service, |_, _| {})
    }

    /// Makes a postbox, as [`Listening::postbox`](super::Listening::postbox) does.
    #[must_use]
    pub fn postbox<M, const N: usize>(&self) -> Postbox<M, N> {
        Postbox::new(self.handle())
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
        postbox.assert_made_by(&self.handle);
        self.serve(service, |server, context| postbox.deliver(server, context))
    }

    fn serve<S: Service>(
        self,
        service: S,
        mut deliver: impl FnMut(&mut RingServer<S>, &mut Context<'_, Uring>),
    ) -> Result<Finished<S>, ServeError> {
        let Self { settings, mut event_loop, listener, handle } = self;
        let memory = settings.ring_server_memory()?;
        let mut server = Server::new(service, settings.server_config(), memory);
        let failed = |error| ServeError::new(Step::Wait, error);
        server.listen(&mut event_loop.context(), listener).map_err(failed)?;
        while !event_loop.is_stopped() && !handle.is_stopped() {
            event_loop.run_once(&mut server).map_err(failed)?;
            deliver(&mut server, &mut event_loop.context());
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
