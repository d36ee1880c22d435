//! The list by itself, with letters for sources.

use std::vec::Vec;

use selkie_core::{Event, Events};

use super::*;
use crate::shared::storage::StaticStorage;

/// A source that is a letter, and whose items are the letter and the direction.
impl PollSource for char {
    type Item = (char, u8);
    type Report = SubscriptionId;

    const NONE: Self = '\0';
    const NO_ITEM: (char, u8) = ('\0', 0);
    const NO_REPORT: SubscriptionId = SubscriptionId(0);

    fn item(&mut self, id: SubscriptionId) -> (char, u8) {
        (*self, id.direction() as u8)
    }

    fn id(report: &SubscriptionId) -> SubscriptionId {
        *report
    }

    fn readiness(&mut self, _report: &SubscriptionId, direction: Direction) -> Readiness {
        direction.readiness()
    }
}

struct Memory(StaticStorage<char, 3>);

impl Memory {
    fn new() -> Self {
        Self(StaticStorage::new())
    }

    fn watched(&mut self) -> PollList<'_, char> {
        PollList::new(self.0.storage()).0
    }
}

/// Each item is whose it says, and knows where it stands.
fn assert_consistent(list: &mut PollList<'_, char>) {
    for position in 0..watched.len {
        let id = watched.ids[position];
        let entry = watched.sockets.at(id.slot());
        assert_eq!(entry.positions[id.direction() as usize] as usize, position + 1);
        assert_eq!(watched.items[position], (entry.platform, id.direction() as u8));
    }
}

const DUPLEX: Interest = Interest::READABLE.union(Interest::WRITABLE);

fn token(index: u32) -> Token {
    Token::new(index, 1)
}

/// Three sources, registered for both directions under the tokens 0 to 2.
fn three(list: &mut PollList<'_, char>, mode: Mode) -> [Socket; 3] {
    let mut sockets = ['a', 'b', 'c'].map(|letter| watched.sockets.insert(letter));
    for (index, socket) in (0..).zip(&mut sockets) {
        watched.register(*socket, token(index), DUPLEX, mode).unwrap();
    }
    sockets
}

/// Reports the items at `ready` in a batch of `room`, and gives the indices of the tokens.
fn reported(list: &mut PollList<'_, char>, ready: &[usize], room: usize) -> Vec<usize> {
    let mut slots = [Event::EMPTY; 8];
    let mut events = Events::new(&mut slots[..room]);
    let id = |&position: &usize| {
        watched.ids[..watched.len].get(position).copied().unwrap_or(SubscriptionId::UNKNOWN)
    };
    let reports: Vec<_> = ready.iter().map(id).collect();
    watched.report(&reports, &mut events);
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
    assert_consistent(&mut watched);
}

#[test]
fn what_was_reported_stands_together() {
    let mut memory = Memory::new();
    let mut watched = memory.watched();
    let [a, ..] = three(&mut watched, Mode::Level);
    // The second, the last and the first of those behind the first; one twice, and two that there
    // are not.
    let mut ready = [1, 4, 0, 4, 5, u32::MAX].map(SubscriptionId);
    let expected = [watched.items[2], watched.items[5], watched.items[1]];
    let count = watched.compact_ready(1, &mut ready);
    assert_eq!((count, &ready[..count]), (3, &watched.ids[1..4]));
    assert_eq!(watched.items[1..4], expected);
    assert_consistent(&mut watched);
    watched.deregister(a, token(0)).unwrap();
    let mut items = watched.items[..watched.len].to_vec();
    items.sort_unstable();
    assert_eq!(items, [('b', 0), ('b', 1), ('c', 0), ('c', 1)]);
}

#[test]
fn who_leaves_does_not_cost_others_their_turn() {
    let mut memory = Memory::new();
    let mut watched = memory.watched();
    let sockets = ['a', 'b', 'c'].map(|letter| watched.sockets.insert(letter));
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
    watched.unregister(a).unwrap();
    watched.sockets.vacate(a.slot());
    assert_eq!(watched.len, 4);
    assert_eq!(watched.token_slots.iter().filter(|&&place| place != 0).count(), 2);
    assert_eq!(
        watched.modify(a, token(0), DUPLEX, Mode::Level).unwrap_err().kind(),
        ErrorKind::Stale
    );
}

#[test]
fn an_item_that_was_changed_moves_as_it_is_until_it_is_armed_again() {
    let mut memory = Memory::new();
    let mut watched = memory.watched();
    let [a, _, c] = three(&mut watched, Mode::Level);
    // As a platform does with one that broke.
    let last = watched.len - 1;
    watched.items[last] = ('!', 1);
    // As though a batch had ended in the middle.
    watched.first = 4;
    watched.deregister(a, token(0)).unwrap();
    let position = watched.items[..watched.len].iter().position(|item| item.0 == '!').unwrap();
    assert_eq!(watched.sockets.at(c.slot()).positions[1] as usize, position + 1);
    watched.modify(c, token(2), DUPLEX, Mode::Level).unwrap();
    assert_eq!((watched.items[position], watched.len), (('c', 1), 4));
    assert_consistent(&mut watched);
}
