//! The memory of the platform.

use selkie_core::Registration;

use super::endpoint::{Endpoint, Mailbox};
use crate::handles::Entry;
use crate::owners::Owner;

/// How many places for handles there are for each source: twice as many as it takes.
const PLACES_PER_SOURCE: usize = 4;

/// The memory of a [`WaitableSet`](super::WaitableSet). It lives for ever, as the host writes to
/// it.
#[derive(Debug)]
pub struct WaitableSetStorage {
    /// One for each slot of the loop.
    pub(super) registrations: &'static mut [Registration],
    /// One for each source that can be open at once.
    pub(super) endpoints: &'static mut [Entry<Endpoint>],
    /// One for each of the endpoints.
    pub(super) mailboxes: &'static [Mailbox],
    /// Four for each of the endpoints.
    pub(super) owners: &'static mut [Owner],
}

impl WaitableSetStorage {
    /// The same memory for a loop of at most `slots` sources; what is left of it is for sources
    /// that are open and not registered.
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
    registrations: [Registration; SLOTS],
    endpoints: [Entry<Endpoint>; SLOTS],
    mailboxes: [Mailbox; SLOTS],
    owners: [[Owner; PLACES_PER_SOURCE]; SLOTS],
}

impl<const SLOTS: usize> StaticWaitableSet<SLOTS> {
    /// All zero, so that a `static` of it is not part of the module.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            registrations: [Registration::EMPTY; SLOTS],
            endpoints: [Entry::vacant(Endpoint::VACANT); SLOTS],
            mailboxes: [const { Mailbox::EMPTY }; SLOTS],
            owners: [[Owner::VACANT; PLACES_PER_SOURCE]; SLOTS],
        }
    }

    /// Gives the memory to a platform.
    pub const fn storage(&'static mut self) -> WaitableSetStorage {
        WaitableSetStorage {
            registrations: &mut self.registrations,
            endpoints: &mut self.endpoints,
            mailboxes: &self.mailboxes,
            owners: self.owners.as_flattened_mut(),
        }
    }
}

impl<const SLOTS: usize> Default for StaticWaitableSet<SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}
