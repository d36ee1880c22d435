//! The handle of a stream or a listener.

use crate::entry::Entry;

/// What kind of thing a handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Kind {
    // From 2: the values below are what `Either` and `Option` take for themselves. So `None`,
    // beside a second platform, is all zero bits, and a server's table of sources may lie in
    // `.bss`.
    Stream = 2,
    Listener,
}

/// The handle of a stream or a listener of a [`Network`](crate::Network). It is stale once closed,
/// and reaches nothing that is opened later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Socket {
    pub(crate) generation: u32,
    pub(crate) place: Place,
}

/// What a handle is for, but for the lower bits of the generation: apart, so that either half fits
/// a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Place {
    pub(crate) index: u16,
    pub(crate) generation_high: u8,
    pub(crate) kind: Kind,
}

impl Socket {
    /// The handle of what has just been opened at `index`. There are at most 65,535 sockets, and
    /// listeners.
    #[allow(clippy::cast_possible_truncation, reason = "see above")]
    pub(crate) const fn new(kind: Kind, index: usize, entry: &Entry) -> Self {
        let place = Place { index: index as u16, generation_high: entry.generation_high, kind };
        Self { generation: entry.generation, place }
    }
}
