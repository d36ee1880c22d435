//! A network: the life of its sockets, from listening to listening again.
//!
//! Quirks of smoltcp that this crate lives with:
//!
//! (a) A socket has no backlog: it is either listening or is the connection. So a listener is a
//! pool of sockets that     listen on the same port, and its backlog is as long as it has sockets
//! to spare. With none, a client is refused by     a reset.
//! (b) A half-open socket waits for ever unless it has a timeout; but the same timeout also ends
//! connections that are     merely silent. So it is set while a socket listens, and taken off when
//! the connection is complete. (c) A socket whose connection was aborted is closed at once, but
//! keeps its peer until the reset was sent. It must not     listen before.
//! (d) A socket in TIME-WAIT could wait in it for ten seconds, and is one of few. It listens again
//! as soon as its last     acknowledgement was sent; a peer that missed that is reset.
//! (e) After the TIME-WAIT of a stream that is still open, smoltcp has forgotten that it ended, and
//! throws away what was     not read. The end is remembered here once it was read; a reader that
//! comes later than ten seconds is told that     the connection was reset.
//! (f) `Interface::poll` takes in frames for as long as they come. Here they are taken in one by
//! one, up to a bound. (g) A socket in FIN-WAIT-2 waits for its peer for ever. A stream that was
//! closed is reset after a time.

use core::fmt;

use selkie_core::{Error, ErrorKind};
use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, SocketBuffer};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use crate::entry::Entry;
use crate::slot::Role;
use crate::socket::{Kind, Place};
use crate::{Config, Listener, NetworkStorage, Slot, Socket, life, time};

/// How often the sockets are asked for segments in one poll; each time, each gives one at most.
const EGRESS_PASSES_MAX: usize = 4;

/// A device, an interface and TCP sockets, as one platform of a loop.
///
/// It is polled and never sleeps: whoever drives the loop sleeps, until the time that
/// [`EventLoop::turn`](selkie_core::EventLoop::turn) gives or until the device has a frame.
pub struct Network<'a, D> {
    pub(crate) device: D,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'a>,
    pub(crate) slots: &'a mut [Slot],
    pub(crate) listeners: &'a mut [Listener],
    /// How many slots the loop has.
    pub(crate) capacity: usize,
    frames_per_poll: usize,
    /// The times of the [`Config`], in the terms that they are used in.
    half_open_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// The time of the last poll.
    pub(crate) now: Instant,
    /// How many connections have arrived; wraps, and leaves out 0.
    arrivals: u32,
    /// The port of the next outgoing connection, less the first of the range.
    pub(crate) port_next: u16,
    /// Which slot or listener is asked first by the next poll.
    pub(crate) first: usize,
    /// Something may be ready that the last poll did not report: frames were left, or interests
    /// have changed since.
    pub(crate) unsettled: bool,
}

impl<'a, D: Device> Network<'a, D> {
    /// A network over `device` and its `interface`, in the memory of `storage`.
    ///
    /// # Panics
    ///
    /// If `storage` has not as many slots as sockets, or too many for a handle to name.
    #[must_use]
    pub fn new(
        device: D,
        interface: Interface,
        config: Config,
        storage: NetworkStorage<'a>,
    ) -> Self {
        let NetworkStorage { slots, sockets, listeners, capacity, receive, transmit } = storage;
        let count = slots.len();
        assert_eq!(sockets.len(), count, "a network has as many slots as sockets");
        assert!(
            count.max(listeners.len()) < usize::from(u16::MAX),
            "a handle names a socket by 16 bits"
        );
        let mut sockets = SocketSet::new(sockets);
        let (mut receive, mut transmit) = (receive, transmit);
        let (receive_each, transmit_each) =
            (receive.len() / count.max(1), transmit.len() / count.max(1));
        for slot in slots.iter_mut() {
            let (receive_part, receive_rest) = receive.split_at_mut(receive_each);
            let (transmit_part, transmit_rest) = transmit.split_at_mut(transmit_each);
            (receive, transmit) = (receive_rest, transmit_rest);
            // Handles of an earlier network in the same memory stay stale.
            *slot = Slot { entry: slot.entry.closed(), ..Slot::EMPTY };
            let mut socket =
                tcp::Socket::new(SocketBuffer::new(receive_part), SocketBuffer::new(transmit_part));
            socket.set_nagle_enabled(false);
            socket.set_keep_alive(config.keep_alive.map(time::duration));
            slot.handle = Some(sockets.add(socket));
        }
        for listener in listeners.iter_mut() {
            *listener = Listener { entry: listener.entry.closed(), ..Listener::EMPTY };
        }
        Self {
            device,
            interface,
            sockets,
            slots,
            listeners,
            capacity,
            frames_per_poll: config.frames_per_poll.max(1),
            half_open_timeout: time::duration(config.half_open_timeout),
            connect_timeout: time::duration(config.connect_timeout),
            close_timeout: time::duration(config.close_timeout),
            now: Instant::ZERO,
            arrivals: 0,
            port_next: 0,
            first: 0,
            unsettled: false,
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
        // `new` has seen to it that it fits.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let number = (index + 1) as u16;
        for slot in self.slots.iter_mut().filter(|slot| slot.role == Role::Free).take(sockets) {
            slot.listener = number;
            slot.role = Role::Waiting;
        }
        let listener = &mut self.listeners[index];
        listener.endpoint = endpoint;
        listener.entry.open();
        let socket = Socket::new(Kind::Listener, index, &listener.entry);
        self.tend(true);
        Ok(socket)
    }

    /// Moves frames in and out, and does what time demands, without reporting anything. A poll
    /// begins with this; it is also of use where there is no loop (any more), to send what is
    /// left.
    pub fn drive(&mut self, now: selkie_core::Instant) {
        self.now = self.now.max(time::instant(now));
        self.interface.poll_maintenance(self.now);
        let mut frames = 0;
        // (f)
        self.unsettled = loop {
            if frames >= self.frames_per_poll {
                break true;
            }
            match self.take_frame() {
                PollIngressSingleResult::None => break false,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => self.tend(false),
            }
            frames += 1;
        };
        for _ in 0..EGRESS_PASSES_MAX {
            if self.send_frames() == PollResult::None {
                break;
            }
        }
        self.tend(true);
    }

    /// Takes one frame in. A function of its own, as is [`send_frames`](Self::send_frames): within
    /// a loop, much of what smoltcp does would be reckoned out before the loop, and be kept on
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

    /// How many connections wait to be accepted, at all listeners together.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| slot.arrival != 0).count()
    }

    /// The device.
    pub const fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// The interface: its addresses and routes.
    pub const fn interface(&mut self) -> &mut Interface {
        &mut self.interface
    }

    /// Whom a stream is connected to.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale) if it was closed, [`InvalidSource`](ErrorKind::InvalidSource) if
    /// it is a listener, [`NotConnected`](ErrorKind::NotConnected) if the connection is gone.
    pub fn remote_endpoint(&mut self, stream: Socket) -> Result<IpEndpoint, Error> {
        let (_, socket) = self.stream(stream)?;
        socket.remote_endpoint().ok_or(ErrorKind::NotConnected.into())
    }

    /// What is known of the stream or listener at `position`: listeners are counted behind the
    /// streams.
    pub(crate) fn entry_at(&mut self, position: usize) -> Option<&mut Entry> {
        let streams = self.slots.len();
        match self.slots.get_mut(position) {
            Some(slot) => Some(&mut slot.entry),
            None => self.listeners.get_mut(position - streams).map(|listener| &mut listener.entry),
        }
    }

    /// What is known of a stream or listener that is open.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "so that the handle is never passed in memory, as its halves are not"
    )]
    pub(crate) fn entry(&mut self, source: Socket) -> Result<&mut Entry, Error> {
        self.find(source.generation, source.place).ok_or(Error::new(ErrorKind::Stale))
    }

    /// What the two halves of a handle name. Not the handle, which would have to be passed in
    /// memory.
    #[inline(never)]
    fn find(&mut self, generation: u32, place: Place) -> Option<&mut Entry> {
        let index = usize::from(place.index);
        let entry = match place.kind {
            Kind::Stream => &mut self.slots.get_mut(index)?.entry,
            Kind::Listener => &mut self.listeners.get_mut(index)?.entry,
        };
        entry.is(generation, place).then_some(entry)
    }

    /// The slot and the socket of a stream that is open.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "as `entry`")]
    pub(crate) fn stream(
        &mut self,
        source: Socket,
    ) -> Result<(&mut Slot, &mut tcp::Socket<'a>), Error> {
        self.find_stream(source.generation, source.place).ok_or(match source.place.kind {
            Kind::Stream => Error::new(ErrorKind::Stale),
            Kind::Listener => Error::new(ErrorKind::InvalidSource),
        })
    }

    /// As [`find`](Self::find), of a stream.
    #[inline(never)]
    fn find_stream(
        &mut self,
        generation: u32,
        place: Place,
    ) -> Option<(&mut Slot, &mut tcp::Socket<'a>)> {
        let slot = self.slots.get_mut(usize::from(place.index))?;
        if place.kind == Kind::Listener || !slot.entry.is(generation, place) {
            return None;
        }
        let socket = self.sockets.get_mut(slot.handle.unwrap_or_default());
        Some((slot, socket))
    }

    /// The number of a listener that is open: its index + 1.
    pub(crate) fn listener(&mut self, source: Socket) -> Result<usize, Error> {
        // A closed stream is stale for everything, and only an open one is the wrong thing.
        self.entry(source)?;
        match source.place.kind {
            Kind::Listener => Ok(usize::from(source.place.index) + 1),
            Kind::Stream => Err(Error::new(ErrorKind::InvalidSource)),
        }
    }

    /// Sees to sockets that have changed by themselves. `sent` says that acknowledgements were sent
    /// before.
    pub(crate) fn tend(&mut self, sent: bool) {
        for slot in self.slots.iter_mut() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(slot.handle.unwrap_or_default());
            let over = life::is_over(socket, sent);
            match slot.role {
                Role::Free | Role::Open | Role::Ended => {}
                Role::Connecting => life::note_connection(slot, socket),
                Role::Closing => life::close_on(slot, socket, self.now, over),
                Role::Waiting => life::note_arrival(slot, socket, &mut self.arrivals),
            }
            if slot.role == Role::Waiting && over {
                // So a connection is forgotten, too, that was reset before it was accepted.
                let endpoint = self.listeners[usize::from(slot.listener) - 1].endpoint;
                slot.arrival = 0;
                life::listen(socket, endpoint, self.half_open_timeout);
            }
        }
    }

    /// The connection of a listener that has waited longest to be accepted.
    pub(crate) fn oldest_arrival(&self, number: usize) -> Option<usize> {
        let (mut oldest, mut longest) = (None, 0);
        for (index, slot) in self.slots.iter().enumerate() {
            // How many have come since, which is right also after the count has wrapped.
            let since = self.arrivals.wrapping_sub(slot.arrival);
            if usize::from(slot.listener) == number && slot.arrival != 0 && since >= longest {
                (oldest, longest) = (Some(index), since);
            }
        }
        oldest
    }
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
