//! The interest as a table over all states, and the size of a slot.

use super::super::storage::ConnectionEntry;
use super::*;
use crate::event_loop::{Slot, TimerSlot};

#[test]
fn a_slot_costs_at_most_84_bytes_with_its_source() {
    type Entry = ConnectionEntry<[u32; 2]>;
    assert!(size_of::<Connection>() <= 40);
    assert!(size_of::<Slot>() + size_of::<TimerSlot>() + size_of::<Entry>() <= 84);
}

const AROUND: Surroundings =
    Surroundings { has_output: false, buffers_scarce: false, hangups: true };

#[test]
fn an_open_connection_that_is_watched_for_reading_is_quiet() {
    let mut connection = Connection::EMPTY;
    assert!(!connection.is_quiet(false));
    connection.open(Origin::Adopted);
    connection.set_watched(connection.interest(AROUND));
    assert!(connection.is_quiet(false));
    // Since when it was blocked lies in the place of the input.
    connection.set_blocked_since(Instant::from_nanos(1));
    assert!(connection.is_quiet(true) && !connection.is_quiet(false));
    connection.set(Flag::OFFER_AGAIN);
    assert!(!connection.is_quiet(true));
}

/// Returns every state that the axes and the flags that matter make up.
fn all_states() -> impl Iterator<Item = Connection> {
    let flags = [
        Flag::WRITABLE_WANTED,
        Flag::PAUSED,
        Flag::INPUT_FULL,
        Flag::NO_ROOM,
        Flag::WRITE_FAILED,
        Flag::FINISHING,
        Flag::TOLD_EARLY,
        Flag::LEFT_IN_ORDER,
    ];
    (0..1_u32 << 17).map(move |bits| {
        let mut connection = Connection::EMPTY;
        connection.put(PHASE, (bits & 7) % 7);
        connection.put(READ, ((bits >> 3) & 3) % 3);
        connection.put(WRITE, ((bits >> 5) & 3) % 3);
        connection.put(WAITING, (bits >> 7) & 3);
        for (number, flag) in flags.into_iter().enumerate() {
            if (bits >> (9 + number)) & 1 == 1 {
                connection.set(flag);
            }
        }
        connection
    })
}

#[test]
fn the_interest_follows_from_the_state_in_all_states() {
    for (connection, bits) in all_states().flat_map(|one| (0..8).map(move |bits| (one, bits))) {
        let around = Surroundings {
            has_output: bits & 1 != 0,
            buffers_scarce: bits & 2 != 0,
            hangups: bits & 4 != 0,
        };
        let interest = connection.interest(around);
        match connection.phase() {
            Phase::Free | Phase::Failed => assert!(interest.is_empty()),
            Phase::Listening => {
                let reads = interest.contains(Interest::READABLE);
                assert_eq!(reads, connection.waiting() != Waiting::Slot);
            }
            Phase::Lingering => assert_eq!(interest, Interest::READABLE),
            Phase::Closing | Phase::Connecting => assert_eq!(interest, Interest::WRITABLE),
            Phase::Open => check_open(&connection, around, interest),
        }
    }
}

fn check_open(connection: &Connection, around: Surroundings, interest: Interest) {
    let waits = connection.waiting() != Waiting::Nothing;
    let stops = [Flag::PAUSED, Flag::INPUT_FULL];
    let finishes = connection.has(Flag::FINISHING) && !connection.has(Flag::TOLD_EARLY);
    let is_stopped = finishes || stops.iter().any(|flag| connection.has(*flag));
    let may_read = connection.read_half() == ReadHalf::Open && !waits && !is_stopped;
    let reads = interest.contains(Interest::READABLE);
    assert!(!reads || may_read, "{connection:?}");
    let yields = around.buffers_scarce && around.has_output;
    assert!(reads || !may_read || yields, "reading is limited by nothing else");
    assert!(interest.contains(Interest::WRITABLE) || !around.has_output, "output is flushed");
    let hang_ups = [Flag::WRITE_FAILED, Flag::LEFT_IN_ORDER];
    let is_known_gone = hang_ups.iter().any(|flag| connection.has(*flag));
    assert!(!interest.is_empty() || !around.hangups || is_known_gone || waits, "never deaf");
}

#[test]
fn the_time_since_when_a_connection_stands_still_is_kept_in_all_its_bits() {
    let mut connection = Connection::EMPTY;
    for nanos in [0, 1, u64::from(u32::MAX), 0x0123_4567_89ab_cdef] {
        connection.set_blocked_since(Instant::from_nanos(nanos));
        assert_eq!(connection.blocked_since(), Instant::from_nanos(nanos));
    }
}
