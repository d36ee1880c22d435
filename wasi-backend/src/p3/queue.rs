//! The queue of the sources to look at: first in, first out.
//!
//! smallest-first: the host returns the event of the smallest handle first, so a busy source with a
//! small handle would starve the others. In the queue, each source stands once, in the order of
//! events, and a reported source goes to the back.

use super::endpoint::Endpoint;
use crate::shared::socket_table::SocketTable;

/// The first and the last source of a list that is linked through the sources, plus one.
#[derive(Debug)]
pub(super) struct Queue {
    ends: [u32; 2],
    len: usize,
}

/// Towards the front, and towards the back.
const FRONT: usize = 0;
const BACK: usize = 1;

type Endpoints = SocketTable<'static, Endpoint>;

impl Queue {
    /// Creates an empty queue.
    pub(super) const fn new() -> Self {
        Self { ends: [0; 2], len: 0 }
    }

    /// Returns the number of sources.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a source at the back, unless it is queued.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^31 places")]
    pub(super) fn push(&mut self, endpoints: &mut Endpoints, slot: usize) {
        let last = self.ends[BACK];
        let endpoint = &mut endpoints.at(slot).platform;
        if endpoint.queued {
            return;
        }
        endpoint.queued = true;
        endpoint.neighbours = [last, 0];
        self.link(endpoints, last, BACK, slot as u32 + 1);
        self.ends[BACK] = slot as u32 + 1;
        self.len += 1;
    }

    /// Removes the source at the front and returns its place.
    pub(super) fn pop(&mut self, endpoints: &mut Endpoints) -> Option<usize> {
        let slot = (self.ends[FRONT] as usize).checked_sub(1)?;
        self.remove(endpoints, slot);
        Some(slot)
    }

    /// Removes a source, if it is queued.
    pub(super) fn remove(&mut self, endpoints: &mut Endpoints, slot: usize) {
        let endpoint = &mut endpoints.at(slot).platform;
        if !endpoint.queued {
            return;
        }
        endpoint.queued = false;
        let [before, behind] = endpoint.neighbours;
        self.link(endpoints, before, BACK, behind);
        self.link(endpoints, behind, FRONT, before);
        self.len -= 1;
    }

    /// Sets the neighbour of `owner` on one side to `target`; without an owner, sets the end of the
    /// list on the other side.
    fn link(&mut self, endpoints: &mut Endpoints, owner: u32, side: usize, target: u32) {
        match owner.checked_sub(1) {
            Some(slot) => endpoints.at(slot as usize).platform.neighbours[side] = target,
            None => self.ends[1 - side] = target,
        }
    }
}
