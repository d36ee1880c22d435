//! The table of connections and listeners, and the queues of those that wait for something.

use super::connection::{Connection, Waiting};
use super::storage::{ConnectionEntry, Entry};

/// The ends of the queues, as index + 1 of a slot; the links are in the slots.
#[derive(Debug, Default)]
pub(super) struct Queues {
    ends: [Ends; 3],
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: u32,
    last: u32,
}

impl Queues {
    /// Returns the slot that waits longest for a thing.
    pub(super) const fn first(&self, waiting: Waiting) -> Option<usize> {
        // `Waiting::Nothing` has no queue.
        match self.ends[waiting as usize - 1].first {
            0 => None,
            number => Some(number as usize - 1),
        }
    }

    /// Returns whether a connection waits for a buffer.
    #[inline]
    pub(super) const fn are_buffers_scarce(&self) -> bool {
        // The third queue is that of listeners, which wait for slots.
        self.ends[Waiting::Output as usize - 1].first | self.ends[Waiting::Input as usize - 1].first
            != 0
    }
}

/// The connections and listeners by slot.
#[derive(Debug)]
pub(super) struct Connections<'e, Source> {
    slots: &'e mut [ConnectionEntry<Source>],
    pub(super) queues: &'e mut Queues,
}

impl<'e, Source: Copy> Connections<'e, Source> {
    pub(super) const fn new(
        slots: &'e mut [ConnectionEntry<Source>],
        queues: &'e mut Queues,
    ) -> Self {
        Self { slots, queues }
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Connection> {
        self.slots.get(index).map(|entry| &entry.connection)
    }

    #[inline]
    pub(super) fn at(&mut self, index: usize) -> &mut Connection {
        &mut self.slots[index].connection
    }

    /// Returns the source of a connection or listener.
    #[inline]
    pub(super) fn source(&self, index: usize) -> Option<Source> {
        self.slots.get(index)?.source.get()
    }

    pub(super) fn set_source(&mut self, index: usize, source: Source) {
        self.slots[index].source = Entry::Taken(source);
    }

    pub(super) fn take_source(&mut self, index: usize) -> Option<Source> {
        self.slots.get_mut(index)?.source.take()
    }

    /// Appends a slot to a queue, and takes it out of any other.
    #[allow(clippy::cast_possible_truncation, reason = "slots have numbers of 32 bits")]
    pub(super) fn enqueue(&mut self, index: usize, waiting: Waiting) {
        // The links are in the slot, so it can be in one queue only.
        self.dequeue(index);
        let number = index as u32 + 1;
        let ends = &mut self.queues.ends[waiting as usize - 1];
        let last = core::mem::replace(&mut ends.last, number);
        if last == 0 {
            ends.first = number;
        } else {
            self.at(last as usize - 1).next = number;
        }
        // In this order: `set_waiting` clears the link, whose place depends on the queue.
        self.at(index).set_waiting(waiting);
        *self.at(index).previous() = last;
    }

    /// Removes a slot from its queue. Returns the queue that it was in.
    pub(super) fn dequeue(&mut self, index: usize) -> Waiting {
        let waiting = self.at(index).waiting();
        if waiting == Waiting::Nothing {
            return waiting;
        }
        // A slot may leave from the middle: a connection can close while it waits.
        let (previous, next) = (*self.at(index).previous(), self.at(index).next);
        let ends = &mut self.queues.ends[waiting as usize - 1];
        match previous {
            0 => ends.first = next,
            previous => self.at(previous as usize - 1).next = next,
        }
        match next {
            0 => self.queues.ends[waiting as usize - 1].last = previous,
            next => *self.at(next as usize - 1).previous() = previous,
        }
        self.at(index).set_waiting(Waiting::Nothing);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_waiter_is_first_and_any_can_leave() {
        let mut slots = [ConnectionEntry::<u8>::EMPTY; 5];
        let mut queues = Queues::default();
        let mut table = Connections::new(&mut slots, &mut queues);
        for index in 0..5 {
            table.at(index).open(super::super::Origin::Adopted);
            table.enqueue(index, Waiting::Output);
        }
        table.enqueue(3, Waiting::Input);
        assert_eq!(table.dequeue(2), Waiting::Output);
        assert_eq!(table.dequeue(2), Waiting::Nothing);
        let mut order = [0, 1, 4].into_iter();
        while let Some(first) = table.queues.first(Waiting::Output) {
            assert_eq!(Some(first), order.next());
            table.dequeue(first);
        }
        assert_eq!(order.next(), None);
        assert_eq!(table.queues.first(Waiting::Input), Some(3));
        assert!(table.queues.are_buffers_scarce());
        table.dequeue(3);
        assert!(!table.queues.are_buffers_scarce());
        assert!((0..5).all(|index| table.at(index).output().is_none()));
    }
}
