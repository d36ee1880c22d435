//! The memory of a server.

use super::buffer_pool::Block;
use super::connection::Connection;
use crate::address_table::LimitEntry;

/// A place for a value that may be absent. An empty one is all zero bits for every type. `Option`
/// promises that for few types: one with a `bool` in it uses another value of that byte, and a
/// large `static` would move from `.bss` to `.data`.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Entry<T> {
    /// Nothing.
    #[default]
    Vacant = 0,
    /// A value.
    Taken(T) = 1,
}

impl<T> Entry<T> {
    /// Returns the value, if there is one.
    #[inline]
    pub const fn as_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Taken(value) => Some(value),
            Self::Vacant => None,
        }
    }

    /// Returns whether there is no value.
    #[must_use]
    pub const fn is_vacant(&self) -> bool {
        matches!(self, Self::Vacant)
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<T> {
        // As `Option::take`, but a vacant entry is all zero bits.
        match core::mem::replace(self, Self::Vacant) {
            Self::Taken(value) => Some(value),
            Self::Vacant => None,
        }
    }
}

impl<T: Copy> Entry<T> {
    /// Returns a copy of the value, if there is one.
    #[inline]
    #[must_use]
    pub const fn get(&self) -> Option<T> {
        match self {
            Self::Taken(value) => Some(*value),
            Self::Vacant => None,
        }
    }
}

/// The server's place for one connection or listener: the bookkeeping, and the platform's handle.
/// All bits zero is a free one, with any handle.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionEntry<Source> {
    pub(super) connection: Connection,
    pub(super) source: Entry<Source>,
}

impl<Source> ConnectionEntry<Source> {
    /// A free place.
    pub const EMPTY: Self = Self { connection: Connection::EMPTY, source: Entry::Vacant };
}

impl<Source> Default for ConnectionEntry<Source> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The memory of a server, lent to it. The two tables have the length of the loop's capacity.
#[derive(Debug)]
pub struct ServerStorage<'a, Source, Session> {
    /// The connections and listeners, one for each slot of the loop.
    pub connections: &'a mut [ConnectionEntry<Source>],
    /// The values that the service keeps, one for each slot of the loop.
    pub sessions: &'a mut [Entry<Session>],
    /// The blocks that `bytes` is divided into, each the memory of one buffer. Connections borrow
    /// them while output or input waits, and only then. None where the platform keeps waiting
    /// bytes ([`Transport::OWNS_BUFFERS`](crate::platform::Transport::OWNS_BUFFERS)).
    ///
    /// With two for each connection no connection ever waits for another. With fewer, those that
    /// find none take turns, and the one that has held a block longest is aborted after
    /// [`Config::buffer_grace`](crate::Config::buffer_grace).
    pub blocks: &'a mut [Block],
    /// The bytes of the blocks, in equal parts. One part is the size of a connection's output
    /// buffer.
    pub bytes: &'a mut [u8],
    /// The memory of every read. A service is offered no more at once than fits into it, nor than
    /// fits into a block.
    pub scratch: &'a mut [u8],
    /// The table of addresses and rates, of the length of the loop's capacity; none if there are no
    /// such [limits](crate::Config::connections_per_address). A server in a `ServerStorage` itself
    /// does not use it: pass the memory that lends it, or `&mut` of that.
    pub limits: &'a mut [LimitEntry],
}

/// Connections, blocks and bytes, borrowed where they are. Most callbacks ask for none of them, so
/// that their addresses and lengths are not loaded for each message.
pub trait ServerTables<Source> {
    /// Returns the connections.
    fn connections(&self) -> &[ConnectionEntry<Source>];

    /// Lends the connections, the blocks and the bytes.
    fn tables(&mut self) -> (&mut [ConnectionEntry<Source>], &mut [Block], &mut [u8]);
}

impl<Source, C, B, Y> ServerTables<Source> for (&mut C, &mut B, &mut Y)
where
    C: AsMut<[ConnectionEntry<Source>]> + AsRef<[ConnectionEntry<Source>]> + ?Sized,
    B: AsMut<[Block]> + ?Sized,
    Y: AsMut<[u8]> + ?Sized,
{
    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        (*self.0).as_ref()
    }

    #[inline]
    fn tables(&mut self) -> (&mut [ConnectionEntry<Source>], &mut [Block], &mut [u8]) {
        (self.0.as_mut(), self.1.as_mut(), self.2.as_mut())
    }
}

/// Something that a server can keep its tables in: a [`StaticServer`], [`ServerStorage`] of
/// borrowed tables, or a mutable reference to one of these.
pub trait ServerMemory<Source, Session> {
    /// True if the memory can have a table of addresses and rates. Without it, what such limits
    /// need is not part of the program.
    const LIMITS: bool = false;

    /// True if there may be fewer than two buffers for each slot, so that connections may have to
    /// wait for one. Without it, each slot has two of its own, and what lending and waiting need is
    /// not part of the program.
    const SHARES_BUFFERS: bool = true;

    /// The sessions, borrowed where they are.
    type Sessions<'m>: AsMut<[Entry<Session>]>
    where
        Self: 'm,
        Session: 'm;

    /// The tables that a peer of a callback acts on.
    type Tables<'m>: ServerTables<Source>
    where
        Self: 'm,
        Source: 'm;

    /// Lends the tables. They are the same in each call, and keep what was written to them.
    fn storage(&mut self) -> ServerStorage<'_, Source, Session>;

    /// Lends what a callback is given, which is the sessions and the scratch, and beside it the
    /// tables that its peer acts on. They are those of [`storage`](Self::storage).
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>);

    /// Lends the table of connections for a look.
    fn connections(&self) -> &[ConnectionEntry<Source>];
}

#[allow(clippy::mut_mut, reason = "where the slices are, so that they need not be loaded")]
impl<'a, Source, Session> ServerMemory<Source, Session> for ServerStorage<'a, Source, Session> {
    type Sessions<'m>
        = &'m mut &'a mut [Entry<Session>]
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = (&'m mut &'a mut [ConnectionEntry<Source>], &'m mut &'a mut [Block], &'m mut &'a mut [u8])
    where
        Self: 'm,
        Source: 'm;

    #[inline]
    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: self.connections,
            sessions: self.sessions,
            blocks: self.blocks,
            bytes: self.bytes,
            scratch: self.scratch,
            limits: self.limits,
        }
    }

    #[inline]
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        // References to the slices: their addresses are read only where they are used.
        let tables = (&mut self.connections, &mut self.blocks, &mut self.bytes);
        (&mut self.sessions, self.scratch, tables)
    }

    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        self.connections
    }
}

impl<Source, Session, M: ServerMemory<Source, Session> + ?Sized> ServerMemory<Source, Session>
    for &mut M
{
    const LIMITS: bool = M::LIMITS;
    const SHARES_BUFFERS: bool = M::SHARES_BUFFERS;

    type Sessions<'m>
        = M::Sessions<'m>
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = M::Tables<'m>
    where
        Self: 'm,
        Source: 'm;

    #[inline]
    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        (**self).storage()
    }

    #[inline]
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        (**self).split()
    }

    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        (**self).connections()
    }
}

/// The memory of a server as one value, for a `static`: for a loop of `SLOTS` sources, with
/// `BLOCKS` blocks in `BYTES` bytes, and reads of `SCRATCH` bytes.
#[derive(Debug)]
pub struct StaticServer<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> {
    connections: [ConnectionEntry<Source>; SLOTS],
    sessions: [Entry<Session>; SLOTS],
    blocks: [Block; BLOCKS],
    bytes: [u8; BYTES],
    scratch: [u8; SCRATCH],
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    /// Returns empty memory: all zero bits, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            // Constants, as these types cannot be copied.
            connections: [const { ConnectionEntry::EMPTY }; SLOTS],
            sessions: [const { Entry::Vacant }; SLOTS],
            blocks: [Block::EMPTY; BLOCKS],
            bytes: [0; BYTES],
            scratch: [0; SCRATCH],
        }
    }

    /// Lends the memory to a server.
    pub const fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: &mut self.connections,
            sessions: &mut self.sessions,
            blocks: &mut self.blocks,
            bytes: &mut self.bytes,
            scratch: &mut self.scratch,
            // `Server::new` refuses limits where there is no table for them.
            limits: &mut [],
        }
    }
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> ServerMemory<Source, Session> for StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    // With two for each slot none waits, and what waiting needs is left out of the program.
    const SHARES_BUFFERS: bool = BLOCKS < 2 * SLOTS;

    type Sessions<'m>
        = &'m mut [Entry<Session>; SLOTS]
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = (&'m mut [ConnectionEntry<Source>; SLOTS], &'m mut [Block; BLOCKS], &'m mut [u8; BYTES])
    where
        Self: 'm,
        Source: 'm;

    #[inline]
    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        self.storage()
    }

    #[inline]
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        let tables = (&mut self.connections, &mut self.blocks, &mut self.bytes);
        (&mut self.sessions, &mut self.scratch, tables)
    }

    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        &self.connections
    }
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> Default for StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The memory of a server, and a table for [limits](crate::Config::connections_per_address) by
/// address and rate in a loop of `SLOTS` sources.
///
/// ```
/// use selkie_core::memory::{ServerMemory, StaticServer, WithLimits};
/// # use selkie_core::{Config, Server, Service, platform::Transport};
///
/// fn server<P: Transport<Source = u32>, S: Service<Session = ()>>(
///     service: S,
///     memory: &mut WithLimits<StaticServer<u32, (), 9, 4, 4096, 1024>, 9>,
/// ) -> Server<P, S, impl ServerMemory<u32, ()>> {
///     Server::new(service, Config::DEFAULT.connections_per_address(Some(2)), memory)
/// }
/// ```
#[derive(Debug)]
pub struct WithLimits<M, const SLOTS: usize> {
    memory: M,
    limits: [LimitEntry; SLOTS],
}

impl<M, const SLOTS: usize> WithLimits<M, SLOTS> {
    /// Adds an empty table to the memory of a server.
    #[must_use]
    pub const fn new(memory: M) -> Self {
        Self { memory, limits: [LimitEntry::EMPTY; SLOTS] }
    }
}

impl<Source, Session, M, const SLOTS: usize> ServerMemory<Source, Session> for WithLimits<M, SLOTS>
where
    M: ServerMemory<Source, Session>,
{
    const LIMITS: bool = true;
    const SHARES_BUFFERS: bool = M::SHARES_BUFFERS;

    type Sessions<'m>
        = M::Sessions<'m>
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = M::Tables<'m>
    where
        Self: 'm,
        Source: 'm;

    #[inline]
    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        // The tables of the memory within, and the one that is added to them.
        ServerStorage { limits: &mut self.limits, ..self.memory.storage() }
    }

    #[inline]
    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        // Without the table of limits, for which a callback has no use.
        self.memory.split()
    }

    #[inline]
    fn connections(&self) -> &[ConnectionEntry<Source>] {
        self.memory.connections()
    }
}
