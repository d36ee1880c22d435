//! The axes of a slot's state, each an enum, and its flags.

/// Defines one axis of the state, and how it is packed.
macro_rules! axis {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $case:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::server) enum $name { $($(#[$inner])* $case,)* }

        impl $name {
            pub(in crate::server) const ALL: &[Self] = &[$(Self::$case,)*];

            pub(in crate::server) const fn unpack(bits: u32) -> Self {
                $(if bits == Self::$case as u32 { return Self::$case; })*
                // Other bits are never packed.
                Self::ALL[0]
            }
        }
    };
}

axis! {
    /// The use of a slot, and how far its connection has got.
    Phase {
        Free,
        Listening,
        Open,
        /// Output is flushed, then our stream is ended; nothing is read or offered any more.
        Closing,
        /// All is sent; what the peer still sends is thrown away until it ends its stream, as
        /// closing with unread input sends RST, which can discard our last bytes.
        Lingering,
        /// Aborted at the next opportunity.
        Failed,
        /// The platform was asked to connect, and has not said yet if it could.
        Connecting,
    }
}

axis! {
    /// The peer's stream to us.
    ReadHalf {
        Open,
        /// The peer has sent FIN, and the service does not know yet.
        Eof,
        EofDelivered,
    }
}

axis! {
    /// Our stream to the peer.
    WriteHalf {
        Open,
        /// FIN is sent once the pending output is flushed.
        ShuttingDown,
        ShutDown,
    }
}

axis! {
    /// The queue of the connection table that a slot is in.
    Waiting {
        Nothing,
        /// A listener: a slot, a descriptor or memory.
        Slot,
        /// A buffer to send from.
        Output,
        /// A buffer to receive into.
        Input,
    }
}

/// One yes or no of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Flag(pub(super) u32);

impl Flag {
    /// The service asked to be called when the peer takes bytes.
    pub(in crate::server) const WRITABLE_WANTED: Self = Self(1 << 18);
    /// Unread input is offered again in the next turn.
    pub(in crate::server) const OFFER_AGAIN: Self = Self(1 << 19);
    /// The service has paused reading.
    pub(in crate::server) const PAUSED: Self = Self(1 << 20);
    /// The service has left as many bytes as are ever kept.
    pub(in crate::server) const INPUT_FULL: Self = Self(1 << 21);
    /// The service has left bytes in a buffer that the platform owns.
    pub(in crate::server) const LEFT: Self = Self(1 << 22);
    /// The send buffer that the platform owns is full.
    pub(in crate::server) const NO_ROOM: Self = Self(1 << 23);
    /// A write has failed, so that output is thrown away; the reason is kept.
    pub(in crate::server) const WRITE_FAILED: Self = Self(1 << 24);
    /// The service was told that the server drains.
    pub(in crate::server) const DRAIN_TOLD: Self = Self(1 << 25);
    /// The connection closes when the reply in progress is finished.
    pub(in crate::server) const FINISHING: Self = Self(1 << 26);
    /// The service was told of the drain while there was still more to read, as that took too long.
    /// It is read on, also while it finishes.
    pub(in crate::server) const TOLD_EARLY: Self = Self(1 << 27);
    /// The bytes that are read from it are limited by rate. It is never quiet, so the fast path
    /// does not read from it.
    pub(in crate::server) const PACED: Self = Self(1 << 28);
    /// It is not read from for a time, because of its rate.
    pub(in crate::server) const DELAYED: Self = Self(1 << 29);
    /// Both directions have ended in order, and bytes that arrived before are still to be read.
    pub(in crate::server) const LEFT_IN_ORDER: Self = Self(1 << 30);
}
