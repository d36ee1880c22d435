//! The memory of a network.

use core::fmt;

use heapless::Vec;
use smoltcp::iface::SocketStorage;

use crate::{Listener, Slot};

/// The memory of a network, lent to it.
#[derive(Debug)]
pub struct NetworkStorage<'a> {
    /// As many as there are sockets: connections that are served, and those that wait in a
    /// backlog. At most 65,535.
    pub slots: &'a mut [Slot],
    /// smoltcp's own memory for the sockets: as many, and one for each socket of the program's own
    /// ([`Network::add_socket`](crate::Network::add_socket)).
    pub sockets: &'a mut [SocketStorage<'a>],
    /// One for each listener.
    pub listeners: &'a mut [Listener],
    /// The number of slots of the loop. That takes no memory, as the registration of a source is
    /// kept with the source.
    pub capacity: usize,
    /// Divided among the sockets: what was received and not read yet. A socket's part is the
    /// window that it offers.
    pub receive: &'a mut [u8],
    /// Divided among the sockets: what was written and not acknowledged yet. A socket's part is
    /// its output buffer.
    pub transmit: &'a mut [u8],
}

/// The memory of a network as one value, for a `static`: `SOCKETS` sockets with `RECEIVE` and
/// `TRANSMIT` bytes each, and `LISTENERS` listeners, for a loop of `SLOTS` sources. With
/// [`with_own`](Self::with_own) there are `SET` sockets in all, of which the others are the
/// program's own, with buffers of their own.
pub struct StaticNetwork<
    'a,
    const SOCKETS: usize,
    const LISTENERS: usize,
    const SLOTS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize,
    const SET: usize = SOCKETS,
> {
    slots: [Slot; SOCKETS],
    /// Empty until it is lent: an empty place of smoltcp's is not all zero, and would have to be
    /// kept in flash.
    sockets: Vec<SocketStorage<'a>, SET>,
    listeners: [Listener; LISTENERS],
    receive: [[u8; RECEIVE]; SOCKETS],
    transmit: [[u8; TRANSMIT]; SOCKETS],
}

impl<
    const SOCKETS: usize,
    const LISTENERS: usize,
    const SLOTS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize,
> StaticNetwork<'_, SOCKETS, LISTENERS, SLOTS, RECEIVE, TRANSMIT>
{
    /// Creates the memory, all zero, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_own()
    }
}

impl<
    'a,
    const SOCKETS: usize,
    const LISTENERS: usize,
    const SLOTS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize,
    const SET: usize,
> StaticNetwork<'a, SOCKETS, LISTENERS, SLOTS, RECEIVE, TRANSMIT, SET>
{
    /// Creates the memory, with places for `SET - SOCKETS` sockets of the program's own.
    #[must_use]
    pub const fn with_own() -> Self {
        const { assert!(SET >= SOCKETS, "the set has a place for each socket") };
        Self {
            slots: [Slot::EMPTY; SOCKETS],
            sockets: Vec::new(),
            listeners: [Listener::EMPTY; LISTENERS],
            receive: [[0; RECEIVE]; SOCKETS],
            transmit: [[0; TRANSMIT]; SOCKETS],
        }
    }

    /// Lends the memory to a network.
    pub fn storage(&'a mut self) -> NetworkStorage<'a> {
        // Not the constant, which would be a copy of 336 bytes in flash.
        while self.sockets.push(SocketStorage::default()).is_ok() {}
        NetworkStorage {
            slots: &mut self.slots,
            sockets: &mut self.sockets,
            listeners: &mut self.listeners,
            capacity: SLOTS,
            receive: self.receive.as_flattened_mut(),
            transmit: self.transmit.as_flattened_mut(),
        }
    }
}

impl<
    const SOCKETS: usize,
    const LISTENERS: usize,
    const SLOTS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize,
> Default for StaticNetwork<'_, SOCKETS, LISTENERS, SLOTS, RECEIVE, TRANSMIT>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const SOCKETS: usize,
    const LISTENERS: usize,
    const SLOTS: usize,
    const RECEIVE: usize,
    const TRANSMIT: usize,
    const SET: usize,
> fmt::Debug for StaticNetwork<'_, SOCKETS, LISTENERS, SLOTS, RECEIVE, TRANSMIT, SET>
{
    /// Leaves out the bytes, which would be pages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StaticNetwork")
            .field("slots", &self.slots)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
