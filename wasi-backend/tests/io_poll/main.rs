//! The backend of WASI 0.2, compiled for this machine over a host with a ration of steps: fairness,
//! however many steps were taken before.

// The sections of components have names that other systems' linkers refuse.
#![cfg(target_os = "linux")]
#![allow(dead_code, reason = "the backend has more than the tests call")]
#![allow(unreachable_pub, reason = "the backend is a library elsewhere")]

mod host;
#[path = "../../src/p2/mod.rs"]
mod p2;
#[path = "../../src/shared/mod.rs"]
mod shared;

use std::sync::MutexGuard;
use std::time::Duration;

use host::RATION;
use p2::{IoPoll, IoPollStorage, StaticIoPoll};
use selkie_core::platform::{Events, Selector, Transport, Wait};
use selkie_core::{Event, Instant, Interest, Mode, Token};
use shared::socket_table::Socket;

/// A platform with sources that are all ready to be read.
struct Crowd<const SLOTS: usize> {
    platform: IoPoll<'static>,
    sources: Vec<(Socket, Token)>,
    _turn: MutexGuard<'static, ()>,
}

impl<const SLOTS: usize> Crowd<SLOTS> {
    fn new() -> Self {
        Self::with_mode(Mode::Level)
    }

    fn with_mode(mode: Mode) -> Self {
        let turn = host::begin();
        // One more for the listener.
        let memory = Box::leak(Box::new(StaticIoPoll::<1024>::new()));
        let storage: IoPollStorage<'_> = memory.storage();
        let mut platform = IoPoll::new(storage).expect("the host puts lists where it should");
        let address = ([127, 0, 0, 1], 0).into();
        let listener = platform.listen(address, 1).expect("the host lets it listen");
        let mut sources = Vec::new();
        for index in 0..SLOTS {
            let source = platform.accept(listener).expect("a client waits");
            let token = Token::new(u32::try_from(index).expect("there are few"), 1);
            platform.register(source, token, Interest::READABLE, mode).expect("there is room");
            sources.push((source, token));
        }
        host::set_all_readable();
        Self { platform, sources, _turn: turn }
    }

    /// Returns the indices that one wait, or one poll, reports with room for `batch` events.
    fn report(&mut self, batch: usize, is_wait: bool) -> Vec<usize> {
        let mut slots = [Event::EMPTY; SLOTS];
        let mut events = Events::new(&mut slots[..batch]);
        if is_wait {
            let deadline = Some(self.platform.now() + Duration::from_secs(1));
            self.platform.wait(&mut events, deadline).expect("a wait succeeds");
        } else {
            self.platform.poll(Instant::ZERO, &mut events).expect("a poll succeeds");
        }
        events.iter().map(|event| event.token.index()).collect()
    }

    /// Checks that each source is reported within `bound` batches of this size, although the
    /// program takes `steps` before one of them.
    fn assert_fair(&mut self, batch: usize, is_wait: bool, bound: usize, steps: usize) {
        for taken_before in 0..bound.min(7) {
            let mut overdue = [0; SLOTS];
            for round in 0..bound * 3 {
                if round == taken_before {
                    host::take_steps(steps);
                }
                let reported = self.report(batch, is_wait);
                for (index, waits) in overdue.iter_mut().enumerate() {
                    *waits = if reported.contains(&index) { 0 } else { *waits + 1 };
                    assert!(
                        *waits < bound,
                        "{index} of {SLOTS} went unreported {waits} times, batches of {batch}, \
                         {steps} steps before batch {taken_before}"
                    );
                }
            }
        }
    }
}

#[test]
fn waits_are_fair_although_the_program_takes_steps_of_its_own() {
    // The report of a wait that has room left may be short once, which is made up for in the next.
    for (batch, bound) in [(1, 7), (2, 4), (3, 3), (5, 2 + 1), (7, 1 + 1)] {
        for steps in 0..=RATION {
            Crowd::<7>::new().assert_fair(batch, true, bound, steps);
        }
    }
}

#[test]
fn each_poll_is_complete_although_the_program_takes_steps_of_its_own() {
    for batch in 1..=7_usize {
        for steps in 0..=RATION {
            Crowd::<7>::new().assert_fair(batch, false, 7_usize.div_ceil(batch), steps);
        }
    }
}

#[test]
fn more_sources_than_a_ration_has_steps_are_all_reported() {
    for batch in [64, RATION, 300] {
        for steps in [0, 1, 64, RATION - 1] {
            for is_wait in [false, true] {
                let bound = 300_usize.div_ceil(batch) + usize::from(is_wait);
                Crowd::<300>::new().assert_fair(batch, is_wait, bound, steps);
            }
        }
    }
}

#[test]
fn what_a_short_report_leaves_out_comes_first_in_the_next_batch() {
    let mut crowd = Crowd::<7>::new();
    host::take_steps(host::steps_left() - 2);
    let mut seen = crowd.report(5, true);
    assert_eq!(seen.len(), 2, "two steps were left");
    seen.extend(crowd.report(5, true));
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_wait_makes_one_host_call() {
    let mut crowd = Crowd::<7>::new();
    for _ in 0..50 {
        let before = host::polls();
        assert!(!crowd.report(7, true).is_empty());
        assert_eq!(host::polls() - before, 1);
    }
}

#[test]
fn a_write_that_finds_no_step_left_gets_a_new_ration() {
    for left in 0..4 {
        let mut crowd = Crowd::<1>::new();
        let (source, _) = crowd.sources[0];
        host::take_steps(host::steps_left() - left);
        assert_eq!(crowd.platform.write(source, b"answer"), Ok(6), "{left} steps left");
    }
}

#[test]
fn clients_that_are_all_answered_at_once_keep_none_from_its_turn() {
    // With four steps each, a ration could end at the same client in each batch.
    for steps in (0..RATION).step_by(4) {
        let mut crowd = Crowd::<100>::new();
        host::take_steps(steps);
        let mut unserved = [0; 100];
        for _ in 0..20 {
            let reported = crowd.report(100, true);
            for (index, waits) in unserved.iter_mut().enumerate() {
                *waits = if reported.contains(&index) { 0 } else { *waits + 1 };
                assert!(*waits < 3, "{index} went unreported {waits} times, {steps} steps before");
            }
            for index in reported {
                let written = crowd.platform.write(crowd.sources[index].0, b"answer");
                assert_eq!(written, Ok(6), "{index} has room");
            }
        }
    }
}

#[test]
fn oneshot_sources_leave_the_list_when_they_are_reported_and_come_back() {
    for batch in 1..=5 {
        let mut crowd = Crowd::<5>::with_mode(Mode::Oneshot);
        for round in 0..3 {
            let mut reported = Vec::new();
            // None has to wait for longer than that, and a wait without one is a second long.
            for _ in 0..5_usize.div_ceil(batch) {
                reported.extend(crowd.report(batch, true));
            }
            reported.sort_unstable();
            assert_eq!(reported, [0, 1, 2, 3, 4], "round {round}, batches of {batch}");
            for (source, token) in crowd.sources.clone() {
                let modified =
                    crowd.platform.modify(source, token, Interest::READABLE, Mode::Oneshot);
                modified.expect("it is registered");
                let silenced = crowd.platform.modify(source, token, Interest::NONE, Mode::Level);
                silenced.expect("it is registered");
                let again = crowd.platform.modify(source, token, Interest::READABLE, Mode::Oneshot);
                again.expect("it is registered");
            }
        }
    }
}
