//! The memory of the platform.

use selkie_core::backend::SourceEntry;

use super::endpoint::{Endpoint, ReadAhead};
use crate::shared::socket_table::{Entry, vacant};
use super::waitable_owners::WaitableOwner;

/// Places for handles per source: twice the number of its handles.
const PLACES_PER_SOURCE: usize = 4;

/// The memory of a [`WaitableSet`](super::WaitableSet). It is `'static`, as the host writes to it.
#[derive(Debug)]
pub struct WaitableSetStorage {
    /// One for each slot of the loop.
    pub(super) registrations: &'static mut [SourceEntry],
    /// One for each source that can be open at once.
    pub(super) endpoints: &'static mut [Entry<Endpoint>],
    /// One for each of the endpoints.
    pub(super) read_aheads: &'static [ReadAhead],
    /// Four for each of the endpoints.
    pub(super) owners: &'static mut [WaitableOwner],
}

impl WaitableSetStorage {
    /// Returns the bytes that [`leaked`](Self::leaked) allocates.
    #[cfg(all(target_os = "wasi", feature = "std"))]
    #[must_use]
    pub const fn memory(capacity: usize) -> usize {
        let source = size_of_val(&SourceEntry::<()>::EMPTY)
            + size_of_val(&vacant(Endpoint::VACANT))
            + size_of::<ReadAhead>();
        capacity.saturating_mul(source + PLACES_PER_SOURCE * size_of::<WaitableOwner>())
    }

    /// Allocates memory for `capacity` sources, which is never freed.
    #[cfg(all(target_os = "wasi", feature = "std"))]
    #[must_use]
    pub fn leaked(capacity: usize) -> Self {
        use std::boxed::Box;

        Self {
            registrations: Box::leak(std::vec![SourceEntry::EMPTY; capacity].into()),
            endpoints: Box::leak(std::vec![vacant(Endpoint::VACANT); capacity].into()),
            read_aheads: Box::leak((0..capacity).map(|_| ReadAhead::EMPTY).collect()),
            owners: Box::leak(
                std::vec![WaitableOwner::VACANT; PLACES_PER_SOURCE * capacity].into(),
            ),
        }
    }

    /// Limits the loop to `slots` sources. The rest of the memory is for sources that are open and
    /// not registered.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        let slots = slots.min(self.registrations.len());
        Self { registrations: &mut self.registrations[..slots], ..self }
    }
}

/// The memory of a [`WaitableSet`](super::WaitableSet) as one value, for a `static`: for a loop of
/// `SLOTS` sources.
#[derive(Debug)]
pub struct StaticWaitableSet<const SLOTS: usize> {
    registrations: [SourceEntry; SLOTS],
    endpoints: [Entry<Endpoint>; SLOTS],
    read_aheads: [ReadAhead; SLOTS],
    owners: [[WaitableOwner; PLACES_PER_SOURCE]; SLOTS],
}

impl<const SLOTS: usize> StaticWaitableSet<SLOTS> {
    /// Creates memory of zeros, so that a `static` of it is not part of the module.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            registrations: [SourceEntry::EMPTY; SLOTS],
            endpoints: [vacant(Endpoint::VACANT); SLOTS],
            read_aheads: [const { ReadAhead::EMPTY }; SLOTS],
            owners: [[WaitableOwner::VACANT; PLACES_PER_SOURCE]; SLOTS],
        }
    }

    /// Lends the memory to a platform.
    pub const fn storage(&'static mut self) -> WaitableSetStorage {
        WaitableSetStorage {
            registrations: &mut self.registrations,
            endpoints: &mut self.endpoints,
            read_aheads: &self.read_aheads,
            owners: self.owners.as_flattened_mut(),
        }
    }
}

impl<const SLOTS: usize> Default for StaticWaitableSet<SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}
