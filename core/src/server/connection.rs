//! What the server knows of one connection.

use super::CloseReason;
use super::pool::BlockId;
use crate::bitset::bitset;
use crate::contract::{Instant, Interest};

bitset! {
    /// Where a connection, or a listener, is in its life.
    pub struct Flags: u16 {
        /// A connection lives here.
        const OPEN = 0x0001;
        /// A listener lives here.
        const LISTENER = 0x0002;
        /// Nothing more is read from the platform's inbox for now: an answer to what is there would not fit the outbox, or
        /// the service has left as much as it can be offered.
        const CRAMPED = 0x0004;
        /// Bytes for the peer wait in the outbox.
        const OWES = 0x0008;
        /// Bytes that the service has not taken wait, in the inbox or in that of the platform.
        const HOLDS = 0x0010;
        /// The peer ended its stream.
        const READ_ENDED = 0x0020;
        /// The service was told that the peer ended its stream.
        const END_TOLD = 0x0040;
        /// The connection closes once nothing is owed.
        const CLOSING = 0x0080;
        /// The server ends its own stream once nothing is owed.
        const ENDING = 0x0100;
        /// The server ended its own stream.
        const WRITE_ENDED = 0x0200;
        /// All is sent; only the peer's end of the stream is awaited.
        const LINGERING = 0x0400;
        /// The service asked to be told when the peer takes bytes.
        const WANTS_WRITABLE = 0x0800;
        /// The pool had no block; reading goes on when one comes back.
        const STARVED = 0x1000;
        /// The connection failed or was aborted and goes at the first opportunity.
        const BROKEN = 0x2000;
        /// The service asked to be offered the held bytes again.
        const RESUMED = 0x4000;
    }
}

/// The server's bookkeeping for one slot: 24 bytes. All bits zero means that nothing lives there.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Connection {
    /// When bytes last moved on the socket; only kept with an idle timeout.
    pub(super) progress: Instant,
    /// When the service's own deadline is due, or that of lingering; zero is none.
    pub(super) timer: Instant,
    pub(super) outbox: BlockId,
    pub(super) inbox: BlockId,
    pub(super) flags: Flags,
    /// What the platform was last told to watch.
    pub(super) interest: Interest,
    /// Why it closes, once it does.
    pub(super) reason: CloseReason,
}

impl Connection {
    /// Nothing lives here: all bits zero.
    pub const EMPTY: Self = Self {
        progress: Instant::ZERO,
        timer: Instant::ZERO,
        outbox: BlockId::NONE,
        inbox: BlockId::NONE,
        flags: Flags::NONE,
        interest: Interest::NONE,
        reason: CloseReason::Finished,
    };

    #[inline]
    pub(super) const fn is(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(super) const fn set(&mut self, flags: Flags) {
        self.flags = self.flags.union(flags);
    }

    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(super) const fn clear(&mut self, flags: Flags) {
        self.flags = self.flags.difference(flags);
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::{Slot, TimerSlot};

    #[test]
    fn a_slot_costs_at_most_52_bytes() {
        assert!(size_of::<Slot>() + size_of::<TimerSlot>() + size_of::<Connection>() <= 52);
    }
}
