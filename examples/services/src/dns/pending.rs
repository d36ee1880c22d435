//! Queries that a resolver was asked: who waits for them, and when they are repeated.

use core::time::Duration;

use selkie_core::Instant;

/// The longest query that is passed on.
const QUERY_MAX: usize = 320;
/// The time after which a query is repeated if no other is set; it doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Times that a resolver is asked.
const TRIES: u8 = 4;

/// A query that waits for its answer, or a place for one.
#[derive(Clone, Copy, Debug)]
pub struct PendingQuery<A> {
    /// The client, and the identifier that it chose; `None` for a free place.
    client: Option<(A, u16)>,
    deadline: Instant,
    tries: u8,
    len: usize,
    query: [u8; QUERY_MAX],
}

impl<A> PendingQuery<A> {
    /// A free place.
    pub const EMPTY: Self =
        Self { client: None, deadline: Instant::ZERO, tries: 0, len: 0, query: [0; QUERY_MAX] };
}

/// The places, and the source of identifiers.
#[derive(Debug)]
pub(super) struct Pending<'t, A> {
    places: &'t mut [PendingQuery<A>],
    seed: u64,
    first_retry: Duration,
}

/// The next step for a query without an answer.
#[derive(Debug)]
pub(super) enum Retry<'p, A> {
    /// Ask again.
    Ask(&'p [u8]),
    /// Tell the client that there is no answer. The query has the client's identifier.
    GiveUp { query: &'p [u8], client: A },
}

impl<'t, A: Copy> Pending<'t, A> {
    pub(super) const fn new(places: &'t mut [PendingQuery<A>], seed: u64) -> Self {
        // The generator stays at 0.
        Self { places, seed: if seed == 0 { 1 } else { seed }, first_retry: FIRST_RETRY }
    }

    /// Sets the time after which a query is repeated first.
    pub(super) const fn set_first_retry(&mut self, first_retry: Duration) {
        self.first_retry = first_retry;
    }

    /// Records a query of a client. Returns it with an identifier of its own, or `None` if it does
    /// not fit.
    pub(super) fn begin(&mut self, query: &[u8], client: A, now: Instant) -> Option<&[u8]> {
        let id = self.new_id();
        let place = self.places.iter_mut().find(|place| place.client.is_none())?;
        place.query.get_mut(..query.len())?.copy_from_slice(query);
        place.client = Some((client, u16::from_be_bytes([query[0], query[1]])));
        place.query[..2].copy_from_slice(&id.to_be_bytes());
        (place.len, place.tries, place.deadline) = (query.len(), 1, now + self.first_retry);
        Some(&place.query[..place.len])
    }

    /// Removes the query that an answer belongs to: by its identifier, and by its question, which
    /// an attacker who guesses has to know too.
    pub(super) fn finish(&mut self, answer: &[u8]) -> Option<(A, u16)> {
        let is_response = answer.get(2)? & 0x80 != 0;
        let place = self.places.iter_mut().find(|place| {
            let question = place.query.get(12..place.question_end()).unwrap_or_default();
            place.client.is_some()
                && answer[..2] == place.query[..2]
                && answer.get(12..).is_some_and(|rest| rest.starts_with(question))
        })?;
        if is_response { place.client.take() } else { None }
    }

    /// Returns what is to be done about the next query whose time is over.
    pub(super) fn retry(&mut self, now: Instant) -> Option<Retry<'_, A>> {
        let place =
            self.places.iter_mut().find(|place| place.client.is_some() && place.deadline <= now)?;
        if place.tries < TRIES {
            place.deadline = now + self.first_retry * (1 << place.tries);
            place.tries += 1;
            return Some(Retry::Ask(&place.query[..place.len]));
        }
        let (client, id) = place.client.take()?;
        place.query[..2].copy_from_slice(&id.to_be_bytes());
        Some(Retry::GiveUp { query: &place.query[..place.len], client })
    }

    /// Returns when the next query is to be repeated.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.places.iter().filter(|place| place.client.is_some());
        waiting.map(|place| place.deadline).min()
    }

    /// Returns an identifier, by xorshift64*.
    fn new_id(&mut self) -> u16 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        let mixed = self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let [first, second, ..] = mixed.to_be_bytes();
        u16::from_be_bytes([first, second])
    }
}

impl<A> PendingQuery<A> {
    /// Returns where the question ends: behind the name, type and class.
    fn question_end(&self) -> usize {
        let names = self.query.get(12..self.len).unwrap_or_default();
        let name = names.iter().position(|&byte| byte == 0);
        // No part of a name that was checked has a zero as its length but the last.
        name.map_or(self.len, |len| (12 + len + 1 + 4).min(self.len))
    }
}
