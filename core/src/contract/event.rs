//! The reports of a selector: events, and the fixed batch that they are in.

use crate::bitset::bitset;
use crate::contract::Token;

bitset! {
    /// The readiness of a source.
    ///
    /// [`READABLE`](Self::READABLE) and [`WRITABLE`](Self::WRITABLE) may be reported too often,
    /// never too seldom: a reader that finds nothing gets `WouldBlock` and goes on. The other flags
    /// are set only when they are true, and only where
    /// [`Capabilities`](crate::platform::Capabilities) says that the platform can tell; elsewhere
    /// the source is readable, and the read returns it. A platform that reports an end or a failure
    /// may leave out what follows from it, so ask by [`is_readable`](Self::is_readable) and
    /// [`is_writable`](Self::is_writable).
    ///
    /// The bits are those that poll(2) and epoll(7) use on Linux, so that there is nothing to
    /// convert there.
    pub struct Readiness: u32 {
        /// A read gives bytes, a connection, the end of the stream, or an error.
        const READABLE = 0x01;
        /// Exceptional data, such as TCP's urgent byte.
        const PRIORITY = 0x02;
        /// A write takes bytes or gives an error; an outgoing connection is established or failed.
        const WRITABLE = 0x04;
        /// The source broke; the next read, write or
        /// [`connected`](crate::platform::Transport::connected) says how.
        const ERROR = 0x08;
        /// Both directions are closed.
        const CLOSED = 0x10;
        /// The peer will send nothing more; bytes that it sent before may still be read.
        const READ_CLOSED = 0x2000;
    }
}

impl Readiness {
    /// Returns true if a read makes sense: there is something to read, or the source broke or was
    /// closed, and the read returns how.
    #[inline]
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.intersects(
            Self::READABLE.union(Self::READ_CLOSED).union(Self::ERROR).union(Self::CLOSED),
        )
    }

    /// Returns true if a write makes sense: there is room, or the source broke or was closed, and
    /// the write returns how.
    #[inline]
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.intersects(Self::WRITABLE.union(Self::ERROR).union(Self::CLOSED))
    }

    /// Returns the set with the flags that follow from a broken or closed source: who waits for
    /// either direction must look.
    #[inline]
    #[must_use]
    pub const fn with_implied(self) -> Self {
        if self.intersects(Self::ERROR.union(Self::CLOSED)) {
            self.union(Self::READABLE).union(Self::WRITABLE)
        } else if self.contains(Self::READ_CLOSED) {
            self.union(Self::READABLE)
        } else {
            self
        }
    }
}

/// One source, and what it is ready for.
///
/// In memory an event is what `epoll` on x86-64 writes for one, so that the kernel can fill a
/// batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct Event {
    /// Its readiness.
    pub readiness: Readiness,
    /// The source.
    pub token: Token,
}

impl Event {
    /// An empty place in a batch: all bits zero, and no token that was ever issued.
    pub const EMPTY: Self = Self { token: Token::from_u64(0), readiness: Readiness::NONE };
}

impl Default for Event {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The batch of events that one wait fills: a borrowed array with a length.
///
/// A batch is as large as the array that it borrows. A smaller one bounds the work of a turn, a
/// larger one saves waits.
#[derive(Debug)]
pub struct Events<'a> {
    slots: &'a mut [Event],
    len: usize,
}

impl<'a> Events<'a> {
    /// Makes an empty batch of at most `slots.len()` events.
    ///
    /// # Panics
    ///
    /// If `slots` is empty: a wait that can report nothing would be a sleep without end.
    #[must_use]
    pub const fn new(slots: &'a mut [Event]) -> Self {
        assert!(!slots.is_empty(), "a batch needs room for at least one event");
        Self::of(slots)
    }

    /// Makes an empty batch of places that are known to be some.
    #[inline]
    pub(crate) const fn of(slots: &'a mut [Event]) -> Self {
        Self { slots, len: 0 }
    }

    /// Adds an event, or returns it if the batch is full.
    ///
    /// # Errors
    ///
    /// The event itself, when there is no room.
    #[inline]
    pub fn push(&mut self, event: Event) -> Result<(), Event> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                *slot = event;
                self.len += 1;
                Ok(())
            }
            None => Err(event),
        }
    }

    /// Returns the places that are still free, in any state. For a backend whose platform writes
    /// events by itself; what it has written there is added by [`advance`](Self::advance).
    #[inline]
    pub fn spare(&mut self) -> &mut [Event] {
        &mut self.slots[self.len..]
    }

    /// Adds the first `added` of the [`spare`](Self::spare) places, or all if they are fewer, and
    /// returns them.
    #[inline]
    pub fn advance(&mut self, added: usize) -> &mut [Event] {
        let spare = &mut self.slots[self.len..];
        let added = added.min(spare.len());
        self.len += added;
        &mut spare[..added]
    }

    /// Adds to the event at `position`, if that is one for `token`. So a backend whose platform
    /// reports each direction by itself reports one event a source.
    #[inline]
    pub fn merge(&mut self, position: usize, event: Event) -> bool {
        match self.slots[..self.len].get_mut(position) {
            Some(slot) if slot.token == event.token => {
                slot.readiness |= event.readiness;
                true
            }
            _ => false,
        }
    }

    /// Forgets all events.
    #[inline]
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Returns the number of events.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of events that the batch has places for.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of events that still fit.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        self.slots.len() - self.len
    }

    /// Returns the events, in the order in which they were added.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Event] {
        &self.slots[..self.len]
    }

    /// Returns the events, in the order in which they were added.
    #[inline]
    pub fn iter(&self) -> core::slice::Iter<'_, Event> {
        self.as_slice().iter()
    }
}

impl<'e> IntoIterator for &'e Events<'_> {
    type Item = &'e Event;
    type IntoIter = core::slice::Iter<'e, Event>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn event(index: u32) -> Event {
        Event { token: Token::new(index, 1), readiness: Readiness::READABLE }
    }

    #[test]
    fn a_full_batch_gives_the_event_back() {
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        assert_eq!(events.push(event(1)), Ok(()));
        assert_eq!(events.push(event(2)), Err(event(2)));
        events.clear();
        assert!(events.is_empty());
        assert_eq!(events.room(), 1);
    }

    #[test]
    fn what_is_written_into_spare_places_is_added_up_to_the_room_left() {
        let mut slots = [Event::EMPTY; 3];
        let mut events = Events::new(&mut slots);
        events.push(event(9)).unwrap();
        assert_eq!((events.len(), events.room()), (1, 2));
        events.spare().copy_from_slice(&[event(0), event(1)]);
        assert_eq!(events.advance(1), [event(0)]);
        assert_eq!(events.advance(5), [event(1)]);
        assert_eq!(events.as_slice(), [event(9), event(0), event(1)]);
        assert_eq!((events.len(), events.room(), events.capacity()), (3, 0, 3));
        assert!((&events).into_iter().eq(&[event(9), event(0), event(1)]));
    }

    #[test]
    fn merging_asks_for_the_same_token() {
        let mut slots = [Event::EMPTY; 2];
        let mut events = Events::new(&mut slots);
        events.push(event(1)).unwrap();
        let writable = Event { token: Token::new(1, 1), readiness: Readiness::WRITABLE };
        assert!(events.merge(0, writable));
        assert!(!events.merge(0, event(2)));
        assert!(!events.merge(1, writable), "an empty place is no event");
        assert_eq!(events.as_slice()[0].readiness, Readiness::READABLE | Readiness::WRITABLE);
    }

    #[test]
    fn a_broken_source_is_ready_for_everyone() {
        assert!(
            Readiness::ERROR.with_implied().contains(Readiness::READABLE | Readiness::WRITABLE)
        );
        assert_eq!(
            Readiness::READ_CLOSED.with_implied(),
            Readiness::READ_CLOSED | Readiness::READABLE
        );
        assert_eq!(Readiness::WRITABLE.with_implied(), Readiness::WRITABLE);
    }

    #[test]
    fn each_direction_is_asked_for_by_itself() {
        let (readable, writable) =
            (Readiness::READABLE | Readiness::PRIORITY, Readiness::WRITABLE | Readiness::PRIORITY);
        assert!(readable.is_readable() && !readable.is_writable());
        assert!(writable.is_writable() && !writable.is_readable());
    }

    #[test]
    fn what_follows_from_an_end_or_a_failure_is_answered_for() {
        for readiness in
            [Readiness::ERROR, Readiness::CLOSED, Readiness::READ_CLOSED, Readiness::PRIORITY]
        {
            let implied = readiness.with_implied();
            assert_eq!(
                readiness.is_readable(),
                implied.contains(Readiness::READABLE),
                "{readiness:?}"
            );
            assert_eq!(
                readiness.is_writable(),
                implied.contains(Readiness::WRITABLE),
                "{readiness:?}"
            );
        }
    }
}
