//! The limits of a server, and the parts of it that a program does without.

use core::time::Duration;

use crate::contract::Instant;

/// The limits that a server sets its peers, and itself per turn.
///
/// ```
/// use core::time::Duration;
/// use selkie_core::Config;
///
/// const CONFIG: Config =
///     Config::DEFAULT.connections_max(100).idle_timeout(Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    connections_max: usize,
    idle_timeout: Option<Duration>,
    stall_timeout: Option<Duration>,
    input_timeout: InputTimeout,
    buffer_grace: Duration,
    linger: Duration,
    accepts_per_turn: usize,
    accept_retry: Duration,
    drain_accepts: usize,
    connect_timeout: Option<Duration>,
    connects_reserved: Option<usize>,
    connections_per_address: Option<u32>,
    accepts_per_second: Option<u32>,
    bytes_per_second: Option<u32>,
}

/// The time for which a service may take nothing of a full input buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum InputTimeout {
    /// As long as a peer may stall.
    AsStall,
    After(Option<Duration>),
}

impl Config {
    /// No limit on connections and idle time, 30 seconds for stalled peers and for input that is
    /// not taken, 1 second of grace for buffers, 2 seconds of lingering, 16 accepts per turn, a
    /// retry after 100 milliseconds, 4,096 accepts per listener while draining, 10 seconds to
    /// connect, and for a service that connects half of the slots. No limit by address or rate.
    pub const DEFAULT: Self = Self {
        connections_max: usize::MAX,
        idle_timeout: None,
        stall_timeout: Some(Duration::from_secs(30)),
        input_timeout: InputTimeout::AsStall,
        buffer_grace: Duration::from_secs(1),
        linger: Duration::from_secs(2),
        accepts_per_turn: 16,
        accept_retry: Duration::from_millis(100),
        drain_accepts: 4096,
        connect_timeout: Some(Duration::from_secs(10)),
        connects_reserved: None,
        connections_per_address: None,
        accepts_per_second: None,
        bytes_per_second: None,
    };

    /// Sets the number of connections served at once, at least one; more wait in the platform's
    /// backlog. The loop's capacity is a limit too, in which each listener and waker takes one
    /// slot.
    #[must_use]
    pub const fn connections_max(self, connections_max: usize) -> Self {
        Self { connections_max, ..self }
    }

    /// Sets the time after which a connection on which no byte moves, in either direction, is
    /// closed; `None` is without limit. The clock is stopped while the service has [paused
    /// reading](crate::Peer::pause_reading). What moves in a callback counts at its end.
    #[must_use]
    pub const fn idle_timeout(self, idle_timeout: Option<Duration>) -> Self {
        Self { idle_timeout, ..self }
    }

    /// Sets the time for which output may wait for a peer that takes none of it; `None` is without
    /// limit.
    #[must_use]
    pub const fn stall_timeout(self, stall_timeout: Option<Duration>) -> Self {
        Self { stall_timeout, ..self }
    }

    /// Sets the time for which a service may take nothing of input that fills the input buffer, or
    /// that is left after the peer's end of the stream, before the connection is closed as
    /// [`InputNotTaken`](crate::CloseReason::InputNotTaken); `None` is without limit. The default
    /// is the stall timeout.
    #[must_use]
    pub const fn input_timeout(self, input_timeout: Option<Duration>) -> Self {
        Self { input_timeout: InputTimeout::After(input_timeout), ..self }
    }

    /// Sets the time for which a connection waits for a buffer of the pool before the one that has
    /// held a buffer longest, without once emptying it, is aborted as
    /// [`BufferNeeded`](crate::CloseReason::BufferNeeded); one in each such time.
    #[must_use]
    pub const fn buffer_grace(self, buffer_grace: Duration) -> Self {
        Self { buffer_grace, ..self }
    }

    /// Sets the time for which a connection that the server closes waits for the peer's end of the
    /// stream after all was sent; zero closes at once, and risks that a reset overtakes the last
    /// bytes if the peer is still sending.
    #[must_use]
    pub const fn linger(self, linger: Duration) -> Self {
        Self { linger, ..self }
    }

    /// Sets the number of connections accepted from one listener in one turn; at least one.
    #[must_use]
    pub const fn accepts_per_turn(self, accepts_per_turn: usize) -> Self {
        Self { accepts_per_turn, ..self }
    }

    /// Sets the interval after which a listener that could not accept for lack of slots,
    /// descriptors or memory that others use is tried again, if nothing was freed before.
    #[must_use]
    pub const fn accept_retry(self, accept_retry: Duration) -> Self {
        Self { accept_retry, ..self }
    }

    /// Sets the most connections that a draining server accepts from its listeners, so that
    /// clients in the backlog are served and newcomers without end do not hold the drain up.
    #[must_use]
    pub const fn drain_accepts(self, drain_accepts: usize) -> Self {
        Self { drain_accepts, ..self }
    }

    /// Sets the time that connecting may take, before the attempt is closed
    /// as [`TimedOut`](crate::CloseReason::TimedOut); `None` leaves that to the platform.
    #[must_use]
    pub const fn connect_timeout(self, connect_timeout: Option<Duration>) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Sets the number of slots kept for connections that the service asks for: accepting leaves so
    /// many free, less those that are in use for that. One client is served all the same. The
    /// default is half of the slots that [`connections_max`](Self::connections_max) leaves if the
    /// service [connects](crate::Service::CONNECTS). A service that does not keeps none.
    #[must_use]
    pub const fn connects_reserved(self, connects_reserved: usize) -> Self {
        Self { connects_reserved: Some(connects_reserved), ..self }
    }

    /// Sets the number of connections that one remote address may have at once, at least one;
    /// `None` is without limit. One more is reset, and
    /// [counted](crate::Counters::refused_by_address). A network of 64 bits of IPv6 counts as one
    /// address. Clients without an address, such as those of a Unix socket, are not counted.
    ///
    /// This limit and the next two concern connections that a listener accepts, and need memory:
    /// [`WithLimits`](crate::memory::WithLimits), `HeapServer::with_limits`, or the front door.
    #[must_use]
    pub const fn connections_per_address(self, connections_per_address: Option<u32>) -> Self {
        Self { connections_per_address, ..self }
    }

    /// Sets the number of connections accepted in a second, at least one; `None` is without limit.
    /// As many may be accepted at once after a quiet second. The others wait in the platform's
    /// backlog, which is [counted](crate::Counters::accepts_delayed). A drain accepts without this
    /// limit.
    #[must_use]
    pub const fn accepts_per_second(self, accepts_per_second: Option<u32>) -> Self {
        Self { accepts_per_second, ..self }
    }

    /// Sets the number of bytes read from one connection in a second, at least one; `None` is
    /// without limit. As many may be read at once after a quiet second, and one read may take more:
    /// then the connection is not read from for as long as these bytes last, which is
    /// [counted](crate::Counters::reads_delayed). The rest waits at the peer. A drain reads without
    /// this limit.
    #[must_use]
    pub const fn bytes_per_second(self, bytes_per_second: Option<u32>) -> Self {
        Self { bytes_per_second, ..self }
    }

    /// Returns whether there is a limit by address or rate, which needs memory of its own.
    #[must_use]
    pub const fn needs_limit_memory(&self) -> bool {
        self.connections_per_address.is_some()
            || self.accepts_per_second.is_some()
            || self.bytes_per_second.is_some()
    }

    /// Returns the limits in the units that the server calculates with, with `reserved` slots for
    /// connections that the service asks for, unless another number was set.
    pub(super) fn limits(&self, reserved: usize) -> Limits {
        // Not by its setter, as the stall timeout may be set after it.
        let input = match self.input_timeout {
            InputTimeout::AsStall => self.stall_timeout,
            InputTimeout::After(timeout) => timeout,
        };
        Limits {
            // With zero a listener would wait for a slot that is never freed.
            connections_max: self.connections_max.max(1),
            accepts_per_turn: self.accepts_per_turn.max(1),
            drain_accepts: self.drain_accepts,
            // However few connections are served, clients get half of them.
            connects_reserved: self
                .connects_reserved
                .unwrap_or_else(|| reserved.min(self.connections_max / 2)),
            connect: Span::new(self.connect_timeout),
            idle: Span::new(self.idle_timeout),
            stall: Span::new(self.stall_timeout),
            input: Span::new(input),
            grace: Span::new(Some(self.buffer_grace)),
            linger: Span::new(Some(self.linger)),
            accept_retry: Span::new(Some(self.accept_retry)),
            is_limiting: self.needs_limit_memory(),
            // With zero no client would ever be served.
            per_address: self.connections_per_address.map_or(u32::MAX, |max| max.max(1)),
            // One a second at least, as with zero no client would ever be served.
            accept_interval: self
                .accepts_per_second
                .map_or(Duration::ZERO, |accepts| Duration::from_secs(1) / accepts.max(1)),
            // Likewise, as with zero no byte would ever be read.
            bytes_per_second: self.bytes_per_second.map_or(0, |bytes| u64::from(bytes.max(1))),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The [`Config`], in the units that the server calculates with.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) connections_max: usize,
    pub(super) accepts_per_turn: usize,
    pub(super) drain_accepts: usize,
    pub(super) connects_reserved: usize,
    pub(super) connect: Span,
    pub(super) idle: Span,
    pub(super) stall: Span,
    pub(super) input: Span,
    pub(super) grace: Span,
    pub(super) linger: Span,
    pub(super) accept_retry: Span,
    /// One of the following limits is set.
    pub(super) is_limiting: bool,
    /// The connections of one address; the greatest number is without limit.
    pub(super) per_address: u32,
    /// The time that one accept counts for; zero is without limit.
    pub(super) accept_interval: Duration,
    /// Zero is without limit.
    pub(super) bytes_per_second: u64,
}

/// A length of time in nanoseconds, of which the longest is without end. A sum with one is a
/// single addition, which a sum with a `Duration` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(u64);

impl Span {
    pub(super) const ZERO: Self = Self(0);

    /// Returns a length of time; `None` is without end.
    pub(super) fn new(duration: Option<Duration>) -> Self {
        Self(duration.map_or(Instant::MAX, |duration| Instant::ZERO + duration).as_nanos())
    }

    #[inline]
    pub(super) const fn is_endless(self) -> bool {
        self.0 == u64::MAX
    }

    /// Returns the time `self` after `start`; the end of time if that is never.
    #[inline]
    pub(super) const fn after(self, start: Instant) -> Instant {
        // Saturating, so that a span without end ends for no start.
        Instant::from_nanos(start.as_nanos().saturating_add(self.0))
    }
}

/// Constants that leave code out of the program: those of a service and of the memory, for the
/// engine, which knows neither.
pub(super) trait Features {
    /// The service connects.
    const CONNECTS: bool;
    /// The server may be drained.
    const DRAINS: bool;
    /// A connection may have to wait for a buffer.
    const SHARES_BUFFERS: bool;
    /// The service keeps the peer in memory while it is called.
    const LENDS_PEER: bool;
}
