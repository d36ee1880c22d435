//! The queue of the sources that have to be looked at: first come, first served.
//!
//! The host hands out the event with the smallest number first, so that a busy source with a small
//! number would starve the others. Here every source stands once and in the order in which
//! something happened to it, and one that was reported goes to the back.

use super::endpoint::Endpoint;
use crate::handles::Handles;

/// The first and the last source of a list that is linked through the sources, plus one.
#[derive(Debug)]
pub(super) struct Queue {
    ends: [u32; 2],
    len: usize,
}

/// Towards the front, and towards the back.
const FRONT: usize = 0;
const BACK: usize = 1;

type Endpoints = Handles<'static, Endpoint>;

impl Queue {
    pub(super) const fn new() -> Self {
        Self { ends: [0; 2], len: 0 }
    }

    /// How many sources there are.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a source at the back, unless it is here.
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places")]
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

    /// Takes the source at the front.
    pub(super) fn pop(&mut self, endpoints: &mut Endpoints) -> Option<usize> {
        let slot = (self.ends[FRONT] as usize).checked_sub(1)?;
        self.remove(endpoints, slot);
        Some(slot)
    }

    /// Takes a source out, if it is here.
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

    /// Makes `target` the neighbour of `owner` on one side; or, for no owner, the end of the list
    /// on the other side.
    fn link(&mut self, endpoints: &mut Endpoints, owner: u32, side: usize, target: u32) {
        match owner.checked_sub(1) {
            Some(slot) => endpoints.at(slot as usize).platform.neighbours[side] = target,
            None => self.ends[1 - side] = target,
        }
    }
}
