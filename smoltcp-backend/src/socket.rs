//! The handle of a stream or a listener.

/// Which life of a slot a handle is for: a count of 40 bits, since a firmware may run for years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Generation {
    low: u32,
    high: u8,
}

impl Generation {
    pub(crate) const FIRST: Self = Self { low: 0, high: 0 };

    /// Begins the next life. The count starts again after 2^40 of them: 34 years with 1,000 connections a second on one
    /// socket.
    pub(crate) const fn advance(&mut self) {
        self.low = self.low.wrapping_add(1);
        if self.low == 0 {
            self.high = self.high.wrapping_add(1);
        }
    }
}

/// What kind of thing a handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Kind {
    Stream,
    Listener,
}

/// The handle of a stream or a listener of a [`Network`](crate::Network). It is stale once closed, and reaches nothing that
/// is opened later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Socket {
    pub(crate) generation: Generation,
    pub(crate) kind: Kind,
    pub(crate) index: u16,
}
