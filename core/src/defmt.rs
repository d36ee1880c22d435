//! `defmt::Format` for the public types that borrow memory or contain the user's types: what they
//! contain is summed up, so that nothing is asked of those types, and a log line stays a line.

use defmt::{Format, Formatter, write};

use crate::adapters::{DevicePoller, StreamAdapter};
use crate::contract::{Events, Selector, Token, Transport};
use crate::event_loop::{Context, EventLoop, LoopMemory, LoopStorage, StaticLoop};
use crate::server::{Peer, Server, ServerMemory, ServerStorage, Service, StaticServer};

impl Format for Token {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "Token({}#{})", self.slot(), self.generation());
    }
}

impl Format for Events<'_> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "{}", self.as_slice());
    }
}

impl<P: Selector> Format for Context<'_, P> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "Context({} live, {})", self.registry().len(), self.counters());
    }
}

impl<P: Selector, M: LoopMemory> Format for EventLoop<P, M> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "EventLoop({})", self.counters());
    }
}

impl Format for LoopStorage<'_> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "LoopStorage({} slots, {} events)", self.slots.len(), self.events.len());
    }
}

impl<const SLOTS: usize, const EVENTS: usize> Format for StaticLoop<SLOTS, EVENTS> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "StaticLoop({} slots, {} events)", SLOTS, EVENTS);
    }
}

impl<P, S, M> Format for Server<P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "Server({} open, {})", self.open_connections(), *self.counters());
    }
}

impl<Source, Session> Format for ServerStorage<'_, Source, Session> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(
            formatter,
            "ServerStorage({} slots, {} blocks of {} bytes in all)",
            self.connections.len(),
            self.blocks.len(),
            self.bytes.len()
        );
    }
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> Format for StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    fn format(&self, formatter: Formatter<'_>) {
        write!(
            formatter,
            "StaticServer({} slots, {} blocks of {} bytes in all)",
            SLOTS, BLOCKS, BYTES
        );
    }
}

impl Format for Peer<'_> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "Peer({})", self.token());
    }
}

impl<P: Transport> Format for StreamAdapter<'_, P> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "StreamAdapter");
    }
}

impl<D, const DEVICES: usize, const SLOTS: usize> Format for DevicePoller<D, DEVICES, SLOTS> {
    fn format(&self, formatter: Formatter<'_>) {
        write!(formatter, "DevicePoller({} devices at most, {} slots)", DEVICES, SLOTS);
    }
}
