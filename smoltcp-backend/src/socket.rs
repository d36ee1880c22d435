//! The handle of a stream or a listener.

/// The kind of source that a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Kind {
    // From 2: `Either` and `Option` use the values below for themselves. So `None`, beside a
    // second platform, is all zero bits, and a server's table of sources may lie in `.bss`.
    Stream = 2,
    Listener,
}

/// The handle of a stream or a listener of a [`Network`](crate::Network). It is stale once closed,
/// and never reaches a source that is opened later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Socket {
    pub(crate) generation: u32,
    pub(crate) half: HandleHalf,
}

/// The half of a handle beside the lower bits of the generation. Either half fits a register, so
/// the two are passed one by one rather than as a handle in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct HandleHalf {
    pub(crate) index: u16,
    pub(crate) generation_high: u8,
    pub(crate) kind: Kind,
}
