//! What both backends keep and do alike: who is registered, and the dense list of what is waited for.
//!
//! Both systems take an array that names every source and direction to wait for, and say which places of it are ready.
//! The array is kept up to date one change at a time: the last item fills the place of one that goes, so nothing is ever
//! built anew for a wait.

use selkie_core::{Error, ErrorKind, Event, Events, Interest, Mode, Readiness, Registration, Registrations, Token};

use crate::handles::{Entry, Handles, Socket, UNREGISTERED};

/// A direction of a source, which is a place in arrays of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// What a source that is ready in this direction is ready for.
    #[inline]
    pub(crate) const fn readiness(self) -> Readiness {
        match self {
            Self::Read => Readiness::READABLE,
            Self::Write => Readiness::WRITABLE,
        }
    }

    /// Whether a source with this interest is waited for in this direction.
    #[inline]
    const fn is_in(self, interest: Interest) -> bool {
        match self {
            Self::Read => interest.contains(Interest::READABLE),
            Self::Write => interest.contains(Interest::WRITABLE),
        }
    }
}

/// What a platform knows of a source.
pub(crate) trait Watch: Copy {
    /// How the system is asked to wait for one direction of a source.
    type Item: Copy;

    /// Asks for one direction.
    fn item(&mut self, direction: Direction) -> Self::Item;

    /// Tells an item where it stands from now on.
    fn place(item: &mut Self::Item, position: usize) {
        let _ = (item, position);
    }
}

/// The sources of a platform, and the list of what is waited for.
#[derive(Debug)]
pub(crate) struct Watched<'a, T: Watch> {
    pub(crate) registrations: Registrations<&'a mut [Registration]>,
    pub(crate) handles: Handles<'a, T>,
    /// Densely, what is waited for; and room for what the platform adds to a wait, such as a clock.
    pub(crate) items: &'a mut [T::Item],
    /// By the position of an item: the place of its source, and in the lowest bit the direction.
    owners: &'a mut [u32],
    /// How many items there are.
    pub(crate) len: usize,
    /// Where the next batch begins, since whoever stands first would otherwise be first for ever.
    pub(crate) first: usize,
}

impl<'a, T: Watch> Watched<'a, T> {
    /// Nothing yet. There are at least two items and two owners for each entry.
    pub(crate) fn new(
        registrations: &'a mut [Registration],
        entries: &'a mut [Entry<T>],
        items: &'a mut [T::Item],
        owners: &'a mut [u32],
    ) -> Self {
        Self {
            registrations: Registrations::new(registrations),
            handles: Handles::new(entries),
            items,
            owners,
            len: 0,
            first: 0,
        }
    }

    /// [`selkie_core::Selector::register`].
    pub(crate) fn register(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(mode)?;
        let (slot, entry) = self.handles.get(socket)?;
        self.registrations.vacancy(token)?;
        if entry.token != UNREGISTERED {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        entry.token = token;
        self.registrations.insert(token, interest, mode);
        self.arm(slot, interest);
        Ok(())
    }

    /// [`selkie_core::Selector::modify`].
    pub(crate) fn modify(&mut self, socket: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(mode)?;
        let slot = self.registered(socket, token)?;
        self.registrations.update(token, interest, mode);
        self.arm(slot, interest);
        Ok(())
    }

    /// [`selkie_core::Selector::deregister`].
    pub(crate) fn deregister(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        let slot = self.registered(socket, token)?;
        self.registrations.remove(token);
        self.handles.at(slot).token = UNREGISTERED;
        self.arm(slot, Interest::NONE);
        Ok(())
    }

    /// The place of a source that is registered under `token`.
    fn registered(&mut self, socket: Socket, token: Token) -> Result<usize, Error> {
        let (slot, entry) = self.handles.get(socket)?;
        let registered = entry.token;
        self.registrations.get(token)?;
        if registered == token { Ok(slot) } else { Err(Error::new(ErrorKind::NotRegistered)) }
    }

    /// Forgets the registration of a source that is about to be closed, if it has one. Gives its place.
    pub(crate) fn forget(&mut self, socket: Socket) -> Result<usize, Error> {
        let (slot, entry) = self.handles.get(socket)?;
        let token = core::mem::replace(&mut entry.token, UNREGISTERED);
        if token != UNREGISTERED {
            self.registrations.remove(token);
        }
        self.arm(slot, Interest::NONE);
        Ok(slot)
    }

    /// Waits for a source in the directions of `interest`, and in no other.
    pub(crate) fn arm(&mut self, slot: usize, interest: Interest) {
        for direction in Direction::BOTH {
            let position = self.handles.at(slot).positions[direction as usize] as usize;
            match (position, direction.is_in(interest)) {
                (0, true) => self.append(slot, direction),
                (0, false) | (_, true) => {}
                (position, false) => self.remove(position - 1),
            }
        }
    }

    /// Adds an item at the end.
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places, and two items for each")]
    fn append(&mut self, slot: usize, direction: Direction) {
        let entry = self.handles.at(slot);
        self.items[self.len] = entry.platform.item(direction);
        T::place(&mut self.items[self.len], self.len);
        self.owners[self.len] = (slot as u32) << 1 | direction as u32;
        self.len += 1;
        entry.positions[direction as usize] = self.len as u32;
    }

    /// Removes an item; the last one takes its place. Where that would put it among those that have had their turn, one of
    /// these takes the place instead, and the last one stands behind them.
    #[expect(clippy::cast_possible_truncation, reason = "positions have 32 bits")]
    fn remove(&mut self, mut position: usize) {
        if position < self.first {
            self.first -= 1;
            self.swap(position, self.first);
            position = self.first;
        }
        self.len -= 1;
        let (moved, gone) = (self.owners[self.len], self.owners[position]);
        self.items[position] = self.items[self.len];
        T::place(&mut self.items[position], position);
        self.owners[position] = moved;
        *self.position(moved) = position as u32 + 1;
        *self.position(gone) = 0;
    }

    /// Moves the items that were reported to `from` and behind, and says how many there are. Their positions are then in
    /// `ready`, where the host had named them, counting from `from`: in an order of its own, items that it was not given
    /// among them, or one twice.
    #[cfg(any(test, fuzzing, target_env = "p2"))]
    #[expect(clippy::cast_possible_truncation, reason = "positions have 32 bits")]
    pub(crate) fn gather(&mut self, from: usize, ready: &mut [u32]) -> usize {
        /// Stands for no owner.
        const NOBODY: u32 = u32::MAX;

        // What is moved changes positions, but not owners.
        for report in &mut *ready {
            let position = from.wrapping_add(*report as usize);
            *report = if position < self.len { self.owners[position] } else { NOBODY };
        }
        let mut end = from;
        for &owner in ready.iter().filter(|&&owner| owner != NOBODY) {
            let position = *self.position(owner) as usize - 1;
            // Otherwise it has been moved already.
            if position >= end {
                self.swap(end, position);
                end += 1;
            }
        }
        for (report, position) in ready.iter_mut().zip(from..end) {
            *report = position as u32;
        }
        end - from
    }

    /// Lets two items change places.
    #[expect(clippy::cast_possible_truncation, reason = "positions have 32 bits")]
    fn swap(&mut self, one: usize, other: usize) {
        self.items.swap(one, other);
        self.owners.swap(one, other);
        for position in [one, other] {
            T::place(&mut self.items[position], position);
            *self.position(self.owners[position]) = position as u32 + 1;
        }
    }

    /// The position of an owner's item, plus one.
    fn position(&mut self, owner: u32) -> &mut u32 {
        &mut self.handles.at((owner >> 1) as usize).positions[(owner & 1) as usize]
    }

    /// The source and direction of an item.
    #[inline]
    pub(crate) fn owner(&self, position: usize) -> (usize, Direction) {
        let owner = self.owners[position];
        ((owner >> 1) as usize, Direction::BOTH[(owner & 1) as usize])
    }

    /// Adds what is ready to `events`, as far as there is room, and says whether something was left out.
    ///
    /// `ready` is what the system reported, `position` says which item it reported each for, and `verdict` what the
    /// source is ready for: [`Readiness::NONE`] for nothing.
    pub(crate) fn collect<R>(
        &mut self,
        ready: &[R],
        events: &mut Events<'_>,
        position: impl Fn(&R) -> usize,
        mut verdict: impl FnMut(&R, &mut T, Direction) -> Readiness,
    ) -> bool {
        self.first = if self.first < self.len { self.first } else { 0 };
        let first = self.first;
        let (mut fired, mut left_out) = (false, false);
        'batch: for is_behind in [false, true] {
            for report in ready {
                let position = position(report);
                // What the system says of items that it was not given is ignored.
                if position >= self.len || (position < first) != is_behind {
                    continue;
                }
                let (slot, direction) = self.owner(position);
                let entry = self.handles.at(slot);
                let readiness = verdict(report, &mut entry.platform, direction);
                if readiness.is_empty() {
                    continue;
                }
                if !push(entry, Event { token: entry.token, readiness }, events) {
                    (self.first, left_out) = (position, true);
                    break 'batch;
                }
                fired |= self.registrations.fired(entry.token.index());
            }
        }
        if fired {
            self.silence_fired();
        }
        left_out
    }

    /// Stops to wait for oneshot sources that were reported.
    fn silence_fired(&mut self) {
        for position in (0..self.len).rev() {
            let (slot, _) = self.owner(position);
            let token = self.handles.at(slot).token;
            if self.registrations.get(token).is_ok_and(|registration| registration.armed().is_empty()) {
                self.remove(position);
            }
        }
    }
}

/// Adds an event for a source, to the one that the batch has for it already if there is one. Says whether there was room.
#[expect(clippy::cast_possible_truncation, reason = "a batch of 2^32 events would not fit into memory")]
fn push<T>(entry: &mut Entry<T>, event: Event, events: &mut Events<'_>) -> bool {
    if events.merge(entry.mark as usize, event) {
        return true;
    }
    entry.mark = events.len() as u32;
    events.push(event).is_ok()
}

/// Neither system has edges.
fn supported(mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// A source that is a letter, and whose items are the letter and the direction.
    impl Watch for char {
        type Item = (char, u8);

        fn item(&mut self, direction: Direction) -> (char, u8) {
            (*self, direction as u8)
        }
    }

    struct Memory {
        registrations: [Registration; 3],
        entries: [Entry<char>; 3],
        items: [(char, u8); 7],
        owners: [u32; 6],
    }

    impl Memory {
        fn new() -> Self {
            Self {
                registrations: [Registration::EMPTY; 3],
                entries: [Entry::vacant('-'); 3],
                items: [('-', 0); 7],
                owners: [0; 6],
            }
        }

        fn watched(&mut self) -> Watched<'_, char> {
            Watched::new(&mut self.registrations, &mut self.entries, &mut self.items, &mut self.owners)
        }
    }

    const DUPLEX: Interest = Interest::READABLE.union(Interest::WRITABLE);

    fn token(index: u32) -> Token {
        Token::new(index, 1)
    }

    /// Three sources, registered for both directions under the tokens 0 to 2.
    fn three(watched: &mut Watched<'_, char>, mode: Mode) -> [Socket; 3] {
        let mut sockets = ['a', 'b', 'c'].map(|letter| watched.handles.insert(letter).unwrap());
        for (index, socket) in (0..).zip(&mut sockets) {
            watched.register(*socket, token(index), DUPLEX, mode).unwrap();
        }
        sockets
    }

    /// Reports the items at `ready` in a batch of `room`, and gives the indices of the tokens.
    fn reported(watched: &mut Watched<'_, char>, ready: &[usize], room: usize) -> Vec<usize> {
        let mut slots = [Event::EMPTY; 8];
        let mut events = Events::new(&mut slots[..room]);
        watched.collect(ready, &mut events, |&position| position, |_, _, direction| direction.readiness());
        events.iter().map(|event| event.token.index()).collect()
    }

    #[test]
    fn the_list_stays_dense() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        let [a, b, _] = three(&mut watched, Mode::Level);
        watched.modify(a, token(0), Interest::WRITABLE, Mode::Level).unwrap();
        watched.deregister(b, token(1)).unwrap();
        watched.modify(a, token(0), DUPLEX, Mode::Level).unwrap();
        let mut items = watched.items[..watched.len].to_vec();
        items.sort_unstable();
        assert_eq!(items, [('a', 0), ('a', 1), ('c', 0), ('c', 1)]);
        for position in 0..watched.len {
            let (slot, direction) = watched.owner(position);
            let entry = watched.handles.at(slot);
            let (at, item) = (entry.positions[direction as usize] as usize, (entry.platform, direction as u8));
            assert_eq!((at, watched.items[position]), (position + 1, item));
        }
    }

    #[test]
    fn what_was_reported_stands_together() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        let [a, ..] = three(&mut watched, Mode::Level);
        // The second, the last and the first of those behind the first; one twice, and two that there are not.
        let mut ready = [1, 4, 0, 4, 5, u32::MAX];
        let expected = [watched.items[2], watched.items[5], watched.items[1]];
        let count = watched.gather(1, &mut ready);
        assert_eq!(ready[..count], [1, 2, 3]);
        assert_eq!(watched.items[1..4], expected);
        for position in 0..watched.len {
            let (slot, direction) = watched.owner(position);
            let entry = watched.handles.at(slot);
            assert_eq!(entry.positions[direction as usize] as usize, position + 1);
            assert_eq!(watched.items[position], (watched.handles.at(slot).platform, direction as u8));
        }
        watched.deregister(a, token(0)).unwrap();
        let mut items = watched.items[..watched.len].to_vec();
        items.sort_unstable();
        assert_eq!(items, [('b', 0), ('b', 1), ('c', 0), ('c', 1)]);
    }

    #[test]
    fn who_leaves_does_not_cost_others_their_turn() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        let sockets = ['a', 'b', 'c'].map(|letter| watched.handles.insert(letter).unwrap());
        for (index, socket) in (0..).zip(sockets) {
            watched.register(socket, token(index), Interest::READABLE, Mode::Level).unwrap();
        }
        assert_eq!(reported(&mut watched, &[0, 1, 2], 1), [0]);
        watched.deregister(sockets[0], token(0)).unwrap();
        let rest = [reported(&mut watched, &[0, 1], 1), reported(&mut watched, &[0, 1], 1)].concat();
        assert!(rest == [1, 2] || rest == [2, 1], "{rest:?}");
    }

    #[test]
    fn both_directions_make_one_event() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        three(&mut watched, Mode::Level);
        assert_eq!(reported(&mut watched, &[0, 1, 4, 5], 8), [0, 2]);
    }

    #[test]
    fn a_batch_goes_on_where_the_last_one_was_full() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        three(&mut watched, Mode::Level);
        let all = [0, 1, 2, 3, 4, 5];
        let batches: Vec<_> = (0..6).flat_map(|_| reported(&mut watched, &all, 1)).collect();
        assert_eq!(batches, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn oneshot_sources_leave_the_list() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        let [a, ..] = three(&mut watched, Mode::Oneshot);
        assert_eq!(reported(&mut watched, &[1, 2], 8), [0, 1]);
        assert_eq!(watched.len, 2);
        watched.modify(a, token(0), Interest::READABLE, Mode::Oneshot).unwrap();
        assert_eq!(watched.len, 3);
    }

    #[test]
    fn reports_of_unknown_items_are_ignored() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        three(&mut watched, Mode::Level);
        assert_eq!(reported(&mut watched, &[6, 99, 3], 8), [1]);
    }

    #[test]
    fn a_source_that_is_closed_is_forgotten() {
        let mut memory = Memory::new();
        let mut watched = memory.watched();
        let [a, ..] = three(&mut watched, Mode::Level);
        let slot = watched.forget(a).unwrap();
        watched.handles.vacate(slot);
        assert_eq!(watched.len, 4);
        assert_eq!(watched.registrations.len(), 2);
        assert_eq!(watched.modify(a, token(0), DUPLEX, Mode::Level).unwrap_err().kind(), ErrorKind::Stale);
    }
}
