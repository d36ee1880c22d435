//! The front door in static memory: one owner of platform, loop and server, driven from outside.

use core::fmt;
use core::time::Duration;

use crate::contract::{Error, Event, Instant, Token, Transport};
use crate::event_loop::{
    Context, EventLoop, Handler, LoopCounters, LoopMemory, LoopStorage, Slot, StaticLoop, TimerSlot,
};
use crate::server::{
    Block, Config, ConnectionEntry, Counters, Entry, Server, ServerStorage, Service, StaticServer,
};

/// Sizes and times of a server in static memory: the twin of `selkie::Builder` for firmware.
///
/// ```
/// use core::time::Duration;
/// use selkie_core::memory::{StaticBuilder, StaticMemory};
/// use selkie_core::{Instant, static_memory};
/// # use selkie_core::{Peer, Service, platform::Transport};
/// # struct Echo;
/// # impl Service for Echo {
/// #     type Session = ();
/// #     fn received(&mut self, peer: &mut Peer<'_>, _: &mut (), bytes: &[u8]) -> usize {
/// #         peer.send_some(bytes)
/// #     }
/// # }
///
/// const SETTINGS: StaticBuilder =
///     StaticBuilder::new().connections(8).idle_timeout(Some(Duration::from_secs(60)));
/// # type Socket = u32;
/// // `Socket` is the platform's handle, `()` the session of the service.
/// type Memory = static_memory!(SETTINGS, Socket, ());
///
/// fn serve<P: Transport<Source = Socket>>(
///     platform: P,
///     listener: Socket,
///     memory: &'static mut Memory,
///     clock: fn() -> Instant,
/// ) -> Result<(), selkie_core::Error> {
///     let mut server = SETTINGS.build(platform, Echo, memory, clock());
///     server.listen(listener)?;
///     while !server.is_stopped() {
///         let _next = server.turn(clock())?;
///         // Sleep until an interrupt, or until `_next`.
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct StaticBuilder {
    connections: usize,
    other_sources: usize,
    buffers_each: usize,
    buffer_size: usize,
    events: usize,
    config: Config,
}

impl StaticBuilder {
    /// Takes the defaults: 8 connections, one other source (the listener), two buffers of 1 KiB a
    /// connection, 8 events, no idle timeout.
    pub const fn new() -> Self {
        Self {
            connections: 8,
            other_sources: 1,
            buffers_each: 2,
            buffer_size: 1024,
            events: 8,
            config: Config::DEFAULT,
        }
    }

    /// Sets the number of connections that are served at once; more wait until one leaves. At
    /// least 1.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.connections = at_least_1(connections);
        self
    }

    /// Sets the number of sources beside the connections: listeners, wakers, and those of other
    /// handlers. At least 1.
    pub const fn other_sources(mut self, other_sources: usize) -> Self {
        self.other_sources = at_least_1(other_sources);
        self
    }

    /// Sets the size of a buffer in bytes: the longest send, and the most unread input that is
    /// kept for a service. At least 1.
    pub const fn buffer_size(mut self, buffer_size: usize) -> Self {
        self.buffer_size = at_least_1(buffer_size);
        self
    }

    /// Sets the number of buffers for each connection: 2, so that no connection waits for another;
    /// 1; or 0 where the platform keeps waiting bytes itself
    /// ([`OWNS_BUFFERS`](crate::platform::Transport::OWNS_BUFFERS)).
    pub const fn buffers_each(mut self, buffers_each: usize) -> Self {
        self.buffers_each = if buffers_each > 2 { 2 } else { buffers_each };
        self
    }

    /// Sets the most events that one turn serves. At least 1.
    pub const fn events(mut self, events: usize) -> Self {
        self.events = at_least_1(events);
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

    /// Returns the number of slots of the loop: tokens have an index below that.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.connections + self.other_sources
    }

    /// Returns the number of buffers: at least 2, unless the platform has them.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        match self.connections * self.buffers_each {
            1 => 2,
            blocks => blocks,
        }
    }

    /// Returns the bytes of all buffers.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.blocks() * self.buffer_size
    }

    /// Returns the size of one buffer, and of one read.
    #[must_use]
    pub const fn scratch(&self) -> usize {
        self.buffer_size
    }

    /// Returns the most events that one turn serves.
    #[must_use]
    pub const fn events_max(&self) -> usize {
        self.events
    }

    /// Returns the bytes of the tables of loop and server, for sources and sessions of these
    /// types. `size_of` of the memory's type has a few more, which the compiler adds for alignment.
    /// The platform's own are a `static` of its own.
    #[must_use]
    pub const fn memory<Source, Session>(&self) -> usize {
        let own = size_of::<Slot>() + size_of::<TimerSlot>();
        let lent = size_of::<ConnectionEntry<Source>>() + size_of::<Entry<Session>>();
        self.slots() * (own + lent)
            + self.events * size_of::<Event>()
            + self.blocks() * size_of::<Block>()
            + self.bytes()
            + self.scratch()
    }

    /// Puts a server together, at the time `now`.
    ///
    /// # Panics
    ///
    /// If `memory` was not made for these settings, with both numbers; as [`EventLoop::new_at`] and
    /// [`Server::new`].
    pub fn build<
        P: Transport,
        S: Service,
        const SLOTS: usize,
        const EVENTS: usize,
        const BLOCKS: usize,
        const BYTES: usize,
        const SCRATCH: usize,
    >(
        self,
        platform: P,
        service: S,
        memory: &mut StaticMemory<P::Source, S::Session, SLOTS, EVENTS, BLOCKS, BYTES, SCRATCH>,
        now: Instant,
    ) -> StaticFrontDoor<'_, P, S> {
        let slots = self.slots();
        assert!(slots == SLOTS, "the settings need {slots} slots, and the memory has {SLOTS}");
        let config = self.config.connections_max(self.connections);
        StaticFrontDoor {
            event_loop: EventLoop::new_at(platform, memory.event_loop.storage(), now),
            server: Server::new(service, config, memory.server.storage()),
        }
    }
}

impl Default for StaticBuilder {
    fn default() -> Self {
        Self::new()
    }
}

const fn at_least_1(number: usize) -> usize {
    if number == 0 { 1 } else { number }
}

/// Names the type of the [`StaticMemory`] that a constant [`StaticBuilder`] needs, for the
/// platform's handle and the service's session.
#[macro_export]
macro_rules! static_memory {
    ($settings:expr, $source:ty, $session:ty) => {
        $crate::memory::StaticMemory<
            $source,
            $session,
            { $settings.slots() },
            { $settings.events_max() },
            { $settings.blocks() },
            { $settings.bytes() },
            { $settings.scratch() },
        >
    };
}

/// The memory of a loop and a server as one value, for a `static`. Its type is named by
/// [`static_memory!`](crate::static_memory).
#[derive(Debug)]
pub struct StaticMemory<
    Source,
    Session,
    const SLOTS: usize,
    const EVENTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> {
    event_loop: StaticLoop<SLOTS, EVENTS>,
    server: StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>,
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const EVENTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> StaticMemory<Source, Session, SLOTS, EVENTS, BLOCKS, BYTES, SCRATCH>
{
    /// Returns empty memory: all zero bits, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self { event_loop: StaticLoop::new(), server: StaticServer::new() }
    }
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const EVENTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> Default for StaticMemory<Source, Session, SLOTS, EVENTS, BLOCKS, BYTES, SCRATCH>
{
    fn default() -> Self {
        Self::new()
    }
}

/// A loop and a server in borrowed memory, which [`StaticBuilder::build`] makes. A main loop calls
/// [`turn`](Self::turn).
pub struct StaticFrontDoor<'m, P: Transport, S: Service> {
    event_loop: EventLoop<P, LoopStorage<'m>>,
    server: Server<P, S, ServerStorage<'m, P::Source, S::Session>>,
}

impl<P: Transport, S: Service> StaticFrontDoor<'_, P, S> {
    /// Accepts connections from `listener` from now on.
    ///
    /// # Errors
    ///
    /// As [`Server::listen`].
    pub fn listen(&mut self, listener: P::Source) -> Result<Token, Error> {
        self.server.listen(&mut self.event_loop.context(), listener)
    }

    /// Makes one round, as [`EventLoop::turn`]: never blocks, and returns the time of the next one.
    ///
    /// # Errors
    ///
    /// As [`EventLoop::turn`].
    pub fn turn(&mut self, now: Instant) -> Result<Option<Instant>, Error> {
        self.event_loop.turn(now, &mut self.server)
    }

    /// Makes one round with a handler for sources that are not the server's.
    ///
    /// # Errors
    ///
    /// As [`EventLoop::turn`].
    pub fn turn_beside<H: Handler<P>>(
        &mut self,
        now: Instant,
        handler: &mut H,
    ) -> Result<Option<Instant>, Error> {
        self.event_loop.turn(now, &mut Beside { server: &mut self.server, handler })
    }

    /// Begins to drain, as [`Server::drain`]: what is not finished after `grace` is cut off.
    pub fn drain(&mut self, now: Instant, grace: Duration) {
        self.server.drain(&mut self.event_loop.context_at(now), now + grace);
    }

    /// Returns true once the server has drained.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.event_loop.is_stopped()
    }

    /// Lends the loop's context at the time `now`: to open and register other sources.
    pub fn context_at(&mut self, now: Instant) -> Context<'_, P> {
        self.event_loop.context_at(now)
    }

    /// Returns the platform: to ask a device for what it has received before a sleep, as one
    /// example.
    pub const fn platform(&mut self) -> &mut P {
        &mut self.event_loop.platform
    }

    /// Returns the counts of the server.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        self.server.counters()
    }

    /// Returns the counts of the loop.
    #[must_use]
    pub const fn loop_counters(&self) -> LoopCounters {
        self.event_loop.counters()
    }

    /// Returns the service.
    #[must_use]
    pub const fn service(&self) -> &S {
        self.server.service()
    }
}

impl<P: Transport, S: Service + fmt::Debug> fmt::Debug for StaticFrontDoor<'_, P, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StaticFrontDoor")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// The server, and a handler for the rest.
struct Beside<'b, 'm, P: Transport, S: Service, H> {
    server: &'b mut Server<P, S, ServerStorage<'m, P::Source, S::Session>>,
    handler: &'b mut H,
}

impl<P: Transport, S: Service, H: Handler<P>> Handler<P> for Beside<'_, '_, P, S, H> {
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        if self.server.owns(context, event.token) {
            self.server.ready(context, event);
        } else {
            self.handler.ready(context, event);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        if self.server.owns(context, token) {
            self.server.expired(context, token);
        } else {
            self.handler.expired(context, token);
        }
    }
}
