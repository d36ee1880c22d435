//! The list by itself, with letters for sources.

use std::vec::Vec;

use selkie_core::Event;
use selkie_core::platform::Events;

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

    fn list(&mut self) -> PollList<'_, char> {
        PollList::new(self.0.storage()).0
    }
}

/// Checks that each position and its source agree.
fn assert_consistent(list: &mut PollList<'_, char>) {
    for position in 0..list.len {
        let id = list.ids[position];
        let entry = list.sockets.at(id.slot());
        assert_eq!(entry.positions[id.direction() as usize] as usize, position + 1);
        assert_eq!(list.items[position], (entry.platform, id.direction() as u8));
    }
}

const DUPLEX: Interest = Interest::READABLE.union(Interest::WRITABLE);

fn token(index: u32) -> Token {
    Token::new(index, 1)
}

/// Registers three sources for both directions under the tokens 0 to 2.
fn three(list: &mut PollList<'_, char>, mode: Mode) -> [Socket; 3] {
    let mut sockets = ['a', 'b', 'c'].map(|letter| list.sockets.insert(letter));
    for (index, socket) in (0..).zip(&mut sockets) {
        list.register(*socket, token(index), DUPLEX, mode).unwrap();
    }
    sockets
}

/// Reports the items at `ready` in a batch of `room`, and returns the indices of the tokens.
fn reported(list: &mut PollList<'_, char>, ready: &[usize], room: usize) -> Vec<usize> {
    let mut slots = [Event::EMPTY; 8];
    let mut events = Events::new(&mut slots[..room]);
    let id = |&position: &usize| {
        list.ids[..list.len].get(position).copied().unwrap_or(SubscriptionId::UNKNOWN)
    };
    let reports: Vec<_> = ready.iter().map(id).collect();
    list.report(&reports, &mut events);
    events.iter().map(|event| event.token.index()).collect()
}

#[test]
fn the_list_stays_dense() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let [a, b, _] = three(&mut list, Mode::Level);
    list.modify(a, token(0), Interest::WRITABLE, Mode::Level).unwrap();
    list.deregister(b, token(1)).unwrap();
    list.modify(a, token(0), DUPLEX, Mode::Level).unwrap();
    let mut items = list.items[..list.len].to_vec();
    items.sort_unstable();
    assert_eq!(items, [('a', 0), ('a', 1), ('c', 0), ('c', 1)]);
    assert_consistent(&mut list);
}

#[test]
fn reported_items_are_moved_together() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let [a, ..] = three(&mut list, Mode::Level);
    // The second, the last and the first of those behind the first; one twice, and two that there
    // are not.
    let mut ready = [1, 4, 0, 4, 5, u32::MAX].map(SubscriptionId);
    let expected = [list.items[2], list.items[5], list.items[1]];
    let count = list.compact_ready(1, &mut ready);
    assert_eq!((count, &ready[..count]), (3, &list.ids[1..4]));
    assert_eq!(list.items[1..4], expected);
    assert_consistent(&mut list);
    list.deregister(a, token(0)).unwrap();
    let mut items = list.items[..list.len].to_vec();
    items.sort_unstable();
    assert_eq!(items, [('b', 0), ('b', 1), ('c', 0), ('c', 1)]);
}

#[test]
fn a_source_that_leaves_does_not_cost_others_their_turn() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let sockets = ['a', 'b', 'c'].map(|letter| list.sockets.insert(letter));
    for (index, socket) in (0..).zip(sockets) {
        list.register(socket, token(index), Interest::READABLE, Mode::Level).unwrap();
    }
    assert_eq!(reported(&mut list, &[0, 1, 2], 1), [0]);
    list.deregister(sockets[0], token(0)).unwrap();
    let rest = [reported(&mut list, &[0, 1], 1), reported(&mut list, &[0, 1], 1)].concat();
    assert!(rest == [1, 2] || rest == [2, 1], "{rest:?}");
}

#[test]
fn both_directions_make_one_event() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    three(&mut list, Mode::Level);
    assert_eq!(reported(&mut list, &[0, 1, 4, 5], 8), [0, 2]);
}

#[test]
fn a_batch_goes_on_where_the_last_one_was_full() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    three(&mut list, Mode::Level);
    let all = [0, 1, 2, 3, 4, 5];
    let batches: Vec<_> = (0..6).flat_map(|_| reported(&mut list, &all, 1)).collect();
    assert_eq!(batches, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn oneshot_sources_leave_the_list() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let [a, ..] = three(&mut list, Mode::Oneshot);
    assert_eq!(reported(&mut list, &[1, 2], 8), [0, 1]);
    assert_eq!(list.len, 2);
    list.modify(a, token(0), Interest::READABLE, Mode::Oneshot).unwrap();
    assert_eq!(list.len, 3);
}

#[test]
fn reports_of_unknown_items_are_ignored() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    three(&mut list, Mode::Level);
    assert_eq!(reported(&mut list, &[6, 99, 3], 8), [1]);
}

#[test]
fn a_closed_source_is_no_longer_registered() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let [a, ..] = three(&mut list, Mode::Level);
    list.unregister(a).unwrap();
    list.sockets.vacate(a.slot());
    assert_eq!(list.len, 4);
    assert_eq!(list.token_slots.iter().filter(|&&place| place != 0).count(), 2);
    assert_eq!(list.modify(a, token(0), DUPLEX, Mode::Level).unwrap_err().kind(), ErrorKind::Stale);
}

#[test]
fn an_item_that_was_changed_moves_as_it_is_until_it_is_armed_again() {
    let mut memory = Memory::new();
    let mut list = memory.list();
    let [a, _, c] = three(&mut list, Mode::Level);
    // A platform does so with a broken one.
    let end = list.len - 1;
    list.items[end] = ('!', 1);
    // A batch has ended in the middle.
    list.first = 4;
    list.deregister(a, token(0)).unwrap();
    let position = list.items[..list.len].iter().position(|item| item.0 == '!').unwrap();
    assert_eq!(list.sockets.at(c.slot()).positions[1] as usize, position + 1);
    list.modify(c, token(2), DUPLEX, Mode::Level).unwrap();
    assert_eq!((list.items[position], list.len), (('c', 1), 4));
    assert_consistent(&mut list);
}
