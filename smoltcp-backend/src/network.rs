//! The network: a device, an interface and the sockets, polled by a loop.
//!
//! Quirks of smoltcp, by the names that the lines repeat:
//!
//! * **no-backlog**: a socket either listens or is the connection. So a listener is a pool of
//!   sockets that listen on the same port, and its backlog is as long as it has sockets to spare.
//!   With none, a client is refused by a reset.
//! * **half-open-waits**: a half-open socket waits without end unless it has a
//!   timeout, so it has one while it listens.
//! * **timeout-needs-answers**: a timeout also ends connections whose peers are merely silent. So
//!   a complete connection has one only together with keep-alive, to which a live peer answers.
//! * **timeout-ignores-pauses**: a timeout counts time in which nothing was polled, hence no
//!   peer probed. So smoltcp's clock stands still in a pause that is longer than the keep-alive
//!   interval, unless the loop was told to sleep for that long.
//! * **abort-keeps-peer**: a socket whose connection was aborted is closed at once, but keeps its
//!   peer until the reset was sent. It must not listen before.
//! * **reset-needs-address**: a reset to a peer whose hardware address has expired is not sent
//!   before that is found again, which is never if the peer has vanished. The reset is given up
//!   after a time.
//! * **message-needs-address**: as a reset does, and the messages behind it wait with it. After the
//!   same time, those of this socket are given up.
//! * **time-wait-on-few**: a socket in TIME-WAIT could wait in it for ten seconds, and is one of
//!   few. It listens again as soon as its last acknowledgement was sent; a peer that missed that
//!   is reset.
//! * **time-wait-forgets**: after the TIME-WAIT of a stream that is still open, smoltcp has
//!   forgotten the peer's FIN, and discards what was not read. The slot remembers an end that was
//!   read; a reader that comes later than ten seconds sees a reset.
//! * **ingress-unbounded**: `Interface::poll` takes in frames for as long as they arrive, so they
//!   are taken in one by one, up to a bound.
//! * **fin-wait-2-waits**: a socket in FIN-WAIT-2 waits for its peer's FIN without end. A stream
//!   that was closed is reset after a time.

use core::{fmt, mem};

use selkie_core::{Error, ErrorKind};
use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet, SocketStorage};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use crate::slot::Role;
use crate::socket::{HandleHalf, Kind};
use crate::source_state::SourceState;
use crate::{Config, Listener, NetworkStorage, Slot, Socket, lifecycle, time};

/// The number of times that the sockets are asked for segments in one poll; each time, each gives
/// one at most.
const EGRESS_PASSES_MAX: usize = 4;

/// A device, an interface and TCP sockets, as one platform of a loop.
///
/// It is polled and never sleeps: the main loop sleeps, until the time that
/// [`EventLoop::turn`](selkie_core::EventLoop::turn) returns or until the device has a frame.
pub struct Network<'a, D> {
    pub(crate) device: D,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'a>,
    /// The number of places in the set that are free for sockets of the program's own.
    pub(crate) own_free: usize,
    pub(crate) slots: &'a mut [Slot],
    pub(crate) listeners: &'a mut [Listener],
    /// The number of slots of the loop.
    pub(crate) capacity: usize,
    frames_per_poll: usize,
    /// The times of the [`Config`], in smoltcp's unit.
    half_open_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// The timeout of a complete connection.
    peer_timeout: Option<Duration>,
    /// The longest step of smoltcp's clock from one poll to the next, unless the loop was told to
    /// sleep for longer.
    step_max: Duration,
    /// The time for which the loop was told to sleep, until it polls again.
    pub(crate) sleep: Duration,
    /// The time of the last poll, on smoltcp's clock.
    pub(crate) now: Instant,
    /// The time by which smoltcp's clock is behind the loop's.
    pub(crate) lag: Duration,
    /// The number of connections that have arrived; wraps, and leaves out 0.
    arrivals: u32,
    /// The port of the next outgoing connection, less the first of the range.
    pub(crate) port_next: u16,
    /// The slot or listener that the next poll asks first.
    pub(crate) first: usize,
    /// Something may be ready that the last poll did not report: frames were left, or interests
    /// have changed since.
    pub(crate) has_unreported: bool,
}

impl<'a, D: Device> Network<'a, D> {
    /// Creates a network over `device` and its `interface`, in the memory of `storage`.
    ///
    /// # Panics
    ///
    /// If `storage` has fewer sockets than slots, or too many slots for a handle to name.
    #[must_use]
    pub fn new(
        device: D,
        interface: Interface,
        config: Config,
        storage: NetworkStorage<'a>,
    ) -> Self {
        let NetworkStorage { slots, sockets, listeners, capacity, receive, transmit } = storage;
        let keep_alive = config.keep_alive.map(time::duration);
        let own_free = sockets.len().saturating_sub(slots.len());
        let sockets = add_sockets(slots, sockets, (receive, transmit), keep_alive);
        assert!(listeners.len() < usize::from(u16::MAX), "a handle names a listener by 16 bits");
        for listener in listeners.iter_mut() {
            *listener = Listener { entry: listener.entry.emptied(), ..Listener::EMPTY };
        }
        let timeout = time::duration(config.keep_alive_timeout);
        Self {
            device,
            interface,
            sockets,
            own_free,
            slots,
            listeners,
            capacity,
            frames_per_poll: config.frames_per_poll.max(1),
            half_open_timeout: time::duration(config.half_open_timeout),
            connect_timeout: time::duration(config.connect_timeout),
            close_timeout: time::duration(config.close_timeout),
            // timeout-needs-answers: an answer can come no sooner than the probe.
            peer_timeout: keep_alive.map(|interval| timeout.max(interval * 2)),
            step_max: keep_alive.unwrap_or(Duration::MAX),
            sleep: Duration::ZERO,
            now: Instant::ZERO,
            lag: Duration::ZERO,
            arrivals: 0,
            port_next: 0,
            first: 0,
            has_unreported: false,
        }
    }

    /// Listens on an address and port, or on a port of all addresses, with `sockets` sockets: as
    /// many connections as are served at once and as may wait in the backlog, together. A
    /// socket serves this listener until that is closed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for port 0 or no socket,
    /// [`AddressInUse`](ErrorKind::AddressInUse) if another listener has the same,
    /// [`Full`](ErrorKind::Full) if there are not as many free sockets, or no place for a
    /// listener. Nothing is changed then.
    pub fn listen(
        &mut self,
        endpoint: impl Into<IpListenEndpoint>,
        sockets: usize,
    ) -> Result<Socket, Error> {
        let endpoint = endpoint.into();
        if endpoint.port == 0 || sockets == 0 {
            return Err(ErrorKind::InvalidInput.into());
        }
        if self
            .listeners
            .iter()
            .any(|listener| listener.entry.open && listener.endpoint == endpoint)
        {
            return Err(ErrorKind::AddressInUse.into());
        }
        let index = self.listeners.iter().position(|listener| !listener.entry.open);
        let free = self.slots.iter().filter(|slot| slot.role == Role::Free).count();
        let (Some(index), true) = (index, free >= sockets) else {
            return Err(ErrorKind::Full.into());
        };
        // It fits, as `new` has checked.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let index = index as u16;
        for slot in self.slots.iter_mut().filter(|slot| slot.role == Role::Free).take(sockets) {
            slot.listener = index + 1;
            slot.role = Role::Waiting;
        }
        let listener = &mut self.listeners[usize::from(index)];
        listener.endpoint = endpoint;
        listener.entry.begin_generation();
        let SourceState { generation, generation_high, .. } = listener.entry;
        let half = HandleHalf { index, generation_high, kind: Kind::Listener };
        self.service_sockets(true);
        Ok(Socket { generation, half })
    }

    /// Moves frames in and out, and does what time demands, without reporting anything. A poll
    /// begins with this; it is also of use without a loop, to send what is left.
    pub fn poll_stack(&mut self, now: selkie_core::Instant) {
        self.set_clock(time::instant(now));
        #[cfg(feature = "udp")]
        self.give_up_messages();
        self.interface.poll_maintenance(self.now);
        let mut frames = 0;
        // ingress-unbounded: stop at the bound.
        self.has_unreported = loop {
            if frames >= self.frames_per_poll {
                break true;
            }
            match self.take_frame() {
                PollIngressSingleResult::None => break false,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => self.service_sockets(false),
            }
            frames += 1;
        };
        for _ in 0..EGRESS_PASSES_MAX {
            if self.send_frames() == PollResult::None {
                break;
            }
        }
        #[cfg(feature = "udp")]
        self.record_messages();
        self.service_sockets(true);
    }

    /// Moves smoltcp's clock on to `now`, a time of the loop's clock.
    fn set_clock(&mut self, now: Instant) {
        let before = self.now + self.lag;
        if now > before {
            // timeout-ignores-pauses: let the clock lag behind rather than jump. A sleep that was
            // asked for is no pause: leases and cached addresses grow old in it.
            let step = (now - before).min(self.step_max.max(mem::take(&mut self.sleep)));
            self.now += step;
            self.lag = now - self.now;
        }
    }

    /// Takes one frame in. This and [`send_frames`](Self::send_frames) are functions of their own:
    /// within a loop, the compiler would hoist much of smoltcp's work out of it and spill it to
    /// the stack.
    #[inline(never)]
    fn take_frame(&mut self) -> PollIngressSingleResult {
        self.interface.poll_ingress_single(self.now, &mut self.device, &mut self.sockets)
    }

    /// Asks each socket for a segment.
    #[inline(never)]
    fn send_frames(&mut self) -> PollResult {
        self.interface.poll_egress(self.now, &mut self.device, &mut self.sockets)
    }

    /// Returns the number of connections that wait to be accepted, at all listeners together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| slot.arrival != 0).count()
    }

    /// Returns the device.
    pub const fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// Returns the interface: its addresses and routes.
    pub const fn interface(&mut self) -> &mut Interface {
        &mut self.interface
    }

    /// Returns the address of a stream's peer.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if it was closed, [`InvalidSource`](ErrorKind::InvalidSource) if
    /// it is a listener, [`NotConnected`](ErrorKind::NotConnected) if the connection is gone.
    pub fn remote_endpoint(&mut self, stream: Socket) -> Result<IpEndpoint, Error> {
        let (_, socket) = self.stream(stream)?;
        socket.remote_endpoint().ok_or(ErrorKind::NotConnected.into())
    }

    /// Returns the entry of the stream or listener at `position`: listeners are counted behind the
    /// streams.
    pub(crate) fn entry_at(&mut self, position: usize) -> Option<&mut SourceState> {
        let streams = self.slots.len();
        match self.slots.get_mut(position) {
            Some(slot) => Some(&mut slot.entry),
            None => self.listeners.get_mut(position - streams).map(|listener| &mut listener.entry),
        }
    }

    /// Returns the entry of a stream or listener that is open.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "so that the handle is never passed in memory, as its halves are not"
    )]
    pub(crate) fn entry(&mut self, source: Socket) -> Result<&mut SourceState, Error> {
        self.find(source.generation, source.half).ok_or(Error::new(ErrorKind::Stale))
    }

    /// Finds the entry that the two halves of a handle name.
    #[inline(never)]
    fn find(&mut self, generation: u32, half: HandleHalf) -> Option<&mut SourceState> {
        let index = usize::from(half.index);
        let entry = match half.kind {
            Kind::Stream => &mut self.slots.get_mut(index)?.entry,
            Kind::Listener => &mut self.listeners.get_mut(index)?.entry,
        };
        entry.is_current(generation, half.generation_high).then_some(entry)
    }

    /// Returns the slot and the socket of a stream that is open.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as `entry`")]
    pub(crate) fn stream(
        &mut self,
        source: Socket,
    ) -> Result<(&mut Slot, &mut tcp::Socket<'a>), Error> {
        self.find_stream(source.generation, source.half).ok_or(match source.half.kind {
            Kind::Stream => Error::new(ErrorKind::Stale),
            Kind::Listener => Error::new(ErrorKind::InvalidSource),
        })
    }

    /// Finds the stream that the two halves of a handle name.
    #[inline(never)]
    fn find_stream(
        &mut self,
        generation: u32,
        half: HandleHalf,
    ) -> Option<(&mut Slot, &mut tcp::Socket<'a>)> {
        let slot = self.slots.get_mut(usize::from(half.index))?;
        if half.kind == Kind::Listener || !slot.entry.is_current(generation, half.generation_high) {
            return None;
        }
        let socket = self.sockets.get_mut(slot.handle.unwrap_or_default());
        Some((slot, socket))
    }

    /// Returns the number of a listener that is open: its index + 1.
    pub(crate) fn listener(&mut self, source: Socket) -> Result<usize, Error> {
        // A closed stream is stale for everything, and only an open one is the wrong kind.
        self.entry(source)?;
        #[cfg(feature = "udp")]
        if source.half.kind == Kind::Listener
            && self.listeners[usize::from(source.half.index)].udp.is_some()
        {
            return Err(Error::new(ErrorKind::InvalidSource));
        }
        match source.half.kind {
            Kind::Listener => Ok(usize::from(source.half.index) + 1),
            Kind::Stream => Err(Error::new(ErrorKind::InvalidSource)),
        }
    }

    /// Records changes of the sockets, and brings each to its next state. `sent` means that
    /// segments, acknowledgements among them, were sent since the last look.
    pub(crate) fn service_sockets(&mut self, sent: bool) {
        let look = (self.now, sent);
        for slot in self.slots.iter_mut() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(slot.handle.unwrap_or_default());
            match slot.role {
                Role::Free | Role::Waiting => {}
                Role::Open | Role::Ended => lifecycle::record_progress(slot, socket, look),
                Role::Connecting => {
                    lifecycle::record_progress(slot, socket, look);
                    lifecycle::record_connection(slot, socket, self.peer_timeout);
                }
                Role::Closing => lifecycle::finish_closing(slot, socket, look),
            }
            if slot.role != Role::Waiting {
                continue;
            }
            let (arrivals, timeout) = (&mut self.arrivals, self.peer_timeout);
            if lifecycle::record_arrival(slot, socket, arrivals, look, timeout) {
                let endpoint = self.listeners[usize::from(slot.listener) - 1].endpoint;
                lifecycle::listen(slot, socket, endpoint, self.half_open_timeout);
            }
        }
    }

    /// Returns the connection of a listener that has waited longest to be accepted.
    pub(crate) fn oldest_arrival(&self, number: usize) -> Option<usize> {
        let (mut oldest, mut longest) = (None, 0);
        for (index, slot) in self.slots.iter().enumerate() {
            // The number of later arrivals, which is right also after the count has wrapped.
            let since = self.arrivals.wrapping_sub(slot.arrival);
            if usize::from(slot.listener) == number && slot.arrival != 0 && since >= longest {
                (oldest, longest) = (Some(index), since);
            }
        }
        oldest
    }
}

/// Creates the sockets, each with its part of the receive and the transmit memory.
fn add_sockets<'a>(
    slots: &mut [Slot],
    sockets: &'a mut [SocketStorage<'a>],
    (mut receive, mut transmit): (&'a mut [u8], &'a mut [u8]),
    keep_alive: Option<Duration>,
) -> SocketSet<'a> {
    let count = slots.len();
    assert!(sockets.len() >= count, "a network has a socket for each slot");
    assert!(count < usize::from(u16::MAX), "a handle names a socket by 16 bits");
    let mut sockets = SocketSet::new(sockets);
    let (receive_each, transmit_each) =
        (receive.len() / count.max(1), transmit.len() / count.max(1));
    for slot in slots.iter_mut() {
        let (receive_part, receive_rest) = receive.split_at_mut(receive_each);
        let (transmit_part, transmit_rest) = transmit.split_at_mut(transmit_each);
        (receive, transmit) = (receive_rest, transmit_rest);
        // Handles of an earlier network in the same memory stay stale.
        *slot = Slot { entry: slot.entry.emptied(), ..Slot::EMPTY };
        let mut socket =
            tcp::Socket::new(SocketBuffer::new(receive_part), SocketBuffer::new(transmit_part));
        socket.set_nagle_enabled(false);
        socket.set_keep_alive(keep_alive);
        slot.handle = Some(sockets.add(socket));
    }
    sockets
}

impl<D> fmt::Debug for Network<'_, D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Network")
            .field("slots", &self.slots)
            .field("listeners", &self.listeners)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
