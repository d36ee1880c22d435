//! The handle of a stream or a listener.

use crate::entry::Generation;

/// What kind of thing a handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Kind {
    // From 2: the values below are what `Either` and `Option` take for themselves. So `None`, beside a second platform, is
    // all zero bits, and a server's table of sources may lie in `.bss`.
    Stream = 2,
    Listener,
}

/// The handle of a stream or a listener of a [`Network`](crate::Network). It is stale once closed, and reaches nothing that
/// is opened later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Socket {
    /// The generation, apart so that a handle takes 8 bytes.
    low: u32,
    high: u8,
    pub(crate) kind: Kind,
    pub(crate) index: u16,
}

impl Socket {
    pub(crate) const fn new(kind: Kind, index: u16, generation: Generation) -> Self {
        Self { low: generation.low, high: generation.high, kind, index }
    }

    pub(crate) const fn generation(self) -> Generation {
        Generation { low: self.low, high: self.high }
    }
}
