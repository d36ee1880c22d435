//! The memory of a run: on the heap, and used before by another loop and server if it is asked.

use alloc::vec;
use alloc::vec::Vec;
use core::marker::PhantomData;

use selkie_core::memory::{
    Block, ConnectionEntry, Entry, LoopMemory, LoopStorage, ServerMemory, ServerStorage, Slot,
    TimerSlot,
};
use selkie_core::platform::Transport;
use selkie_core::{Event, EventLoop, Peer, Server, Service};

use super::ADDRESS;
use crate::scenario::size;
use crate::{Limits, NoClients, Parameters, Random, Simulated};

/// Memory of a loop.
#[derive(Debug)]
pub(super) struct HeapLoop {
    slots: Vec<Slot>,
    timers: Vec<TimerSlot>,
    events: Vec<Event>,
}

impl HeapLoop {
    /// Allocates memory for a loop within `limits`.
    pub(super) fn new(limits: &Limits) -> Self {
        let slots = limits.slot_count();
        Self {
            slots: vec![Slot::EMPTY; slots],
            timers: vec![TimerSlot::EMPTY; slots],
            events: vec![Event::EMPTY; size(limits.batch).max(1)],
        }
    }
}

impl LoopMemory for HeapLoop {
    fn storage(&mut self) -> LoopStorage<'_> {
        LoopStorage { slots: &mut self.slots, timers: &mut self.timers, events: &mut self.events }
    }
}

/// Memory of a server.
pub(super) struct HeapServer<Source, Session> {
    connections: Vec<ConnectionEntry<Source>>,
    sessions: Vec<Entry<Session>>,
    blocks: Vec<Block>,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
}

impl<Source: Clone, Session> HeapServer<Source, Session> {
    /// Allocates memory for a server of `slots` slots and `blocks` buffers.
    pub(super) fn new(slots: usize, blocks: usize, block_size: usize, scratch: usize) -> Self {
        Self {
            connections: vec![ConnectionEntry::EMPTY; slots],
            sessions: vacant(slots),
            blocks: vec![Block::EMPTY; blocks],
            bytes: vec![0; blocks * block_size],
            scratch: vec![0; scratch],
        }
    }
}

/// Makes a table without values.
fn vacant<T>(slots: usize) -> Vec<Entry<T>> {
    let mut entries = Vec::new();
    entries.resize_with(slots, || Entry::Vacant);
    entries
}

impl<Source, Session> ServerMemory<Source, Session> for HeapServer<Source, Session> {
    type Sessions<'m>
        = &'m mut [Entry<Session>]
    where
        Self: 'm,
        Session: 'm;

    type Tables<'m>
        = (&'m mut [ConnectionEntry<Source>], &'m mut [Block], &'m mut [u8])
    where
        Self: 'm,
        Source: 'm;

    fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: &mut self.connections,
            sessions: &mut self.sessions,
            blocks: &mut self.blocks,
            bytes: &mut self.bytes,
            scratch: &mut self.scratch,
            limits: &mut [],
        }
    }

    fn split(&mut self) -> (Self::Sessions<'_>, &mut [u8], Self::Tables<'_>) {
        let tables = (&mut *self.connections, &mut *self.blocks, &mut *self.bytes);
        (&mut self.sessions, &mut self.scratch, tables)
    }

    fn connections(&self) -> &[ConnectionEntry<Source>] {
        &self.connections
    }
}

/// A service that takes nothing and answers, so that it leaves input and output behind.
struct Hoarder<Session>(PhantomData<Session>);

impl<Session: Default> Service for Hoarder<Session> {
    type Session = Session;

    fn received(&mut self, peer: &mut Peer<'_>, _session: &mut Session, bytes: &[u8]) -> usize {
        let _ = peer.send(bytes);
        peer.set_timer(core::time::Duration::from_millis(1));
        0
    }
}

/// Turns of the earlier loop.
const TURNS: usize = 40;

/// Uses the memory for another loop and server, and drops them with connections open.
pub(super) fn use_before<Session: Default, const OWNS_BUFFERS: bool, const READS_ON: bool>(
    limits: &Limits,
    loop_memory: &mut HeapLoop,
    server_memory: &mut HeapServer<crate::Source, Session>,
) {
    type Platform<const O: bool, const R: bool> = Simulated<NoClients, O, R>;
    let parameters = Parameters { buffer_to_far: 4, ..Parameters::CALM };
    let mut platform = Platform::<OWNS_BUFFERS, READS_ON>::new(
        limits.slot_count(),
        parameters,
        Random::new(1),
        NoClients,
    );
    let listener = platform.listen(ADDRESS).expect("the address is free");
    let far: Vec<_> = (0..limits.slot_count()).map(|_| platform.network.dial(ADDRESS)).collect();
    let mut event_loop = EventLoop::new(platform, loop_memory);
    let config = limits.config();
    let mut server = Server::new(Hoarder(PhantomData), config, server_memory);
    if server.listen(&mut event_loop.context(), listener).is_err() {
        return;
    }
    for turn in 0..TURNS {
        let network = &mut event_loop.platform.network;
        for far in &far {
            let _ = network.far_write(*far, b"left behind ");
        }
        let at = network.now() + core::time::Duration::from_micros(100);
        event_loop.platform.advance(at);
        // Failures do not matter: the memory was used.
        if event_loop.turn(at, &mut server).is_err() || turn == TURNS {
            return;
        }
    }
}

/// The source type of the simulated platform, for any clients.
pub(super) type SourceOf<P> = <P as selkie_core::platform::Selector>::Source;

const _: fn() = || {
    fn moves_bytes<P: Transport>() {}
    moves_bytes::<Simulated<NoClients, false, false>>();
};
