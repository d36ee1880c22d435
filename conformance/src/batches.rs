//! Batches: events are added as far as there is room, and what found no room is not lost.

use selkie_core::platform::{Capabilities, Events};
use selkie_core::{Event, Interest, Mode, Readiness, Token};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Check, Stop, ensure, fail};
use crate::{Fixture, MakeFixture};

/// An event that no platform reports.
const FOREIGN: Event =
    Event { token: Token::new(u32::MAX, u32::MAX), readiness: Readiness::PRIORITY };

pub(crate) fn events_are_added_to_what_is_there<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = [harness.reader()?, harness.reader()?];
    for one in watched {
        harness.send(one.peer, b"x")?;
        harness.expect(one.token, Readiness::READABLE)?;
    }
    let mut slots = [Event::EMPTY; 3];
    for room in 0..=2 {
        let mut events = Events::new(&mut slots);
        for _ in room..3 {
            ensure!(events.push(FOREIGN).is_ok(), "a batch has no room left");
        }
        harness.poll(&mut events)?;
        ensure!(
            events.len() == 3,
            "a poll filled {} of 3 places, and two sources are ready",
            events.len()
        );
        let (before, added) = events.as_slice().split_at(3 - room);
        ensure!(
            before.iter().all(|event| *event == FOREIGN),
            "a poll changed events that were there before"
        );
        ensure!(!added.contains(&FOREIGN), "a poll copied an event that was there before");
    }
    Ok(())
}

pub(crate) fn a_full_batch_changes_nothing<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let level = harness.reader()?;
    let oneshot = harness.watch(Interest::READABLE, Mode::Oneshot)?;
    for one in [level, oneshot] {
        harness.send(one.peer, b"x")?;
    }
    harness.expect(level.token, Readiness::READABLE)?;
    harness.modify(oneshot, Interest::READABLE, Mode::Oneshot)?;
    let mut slots = [Event::EMPTY; 1];
    let mut events = Events::new(&mut slots);
    ensure!(events.push(FOREIGN).is_ok(), "a batch has no room left");
    for _ in 0..3 {
        harness.poll(&mut events)?;
        ensure!(events.as_slice() == [FOREIGN], "a poll changed a full batch");
        harness.fixture.settle();
    }
    for one in [oneshot, level] {
        harness.expect(one.token, Readiness::READABLE)?;
    }
    Ok(())
}

/// Checks that each of eight ready sources is reported exactly once, in batches of three.
fn each_comes_once<F: Fixture>(harness: &mut Harness<F>, mode: Mode, strictly: bool) -> Check {
    let mut watched = [None; 8];
    for place in &mut watched {
        let one: Registered<F> = harness.watch(Interest::READABLE, mode)?;
        harness.send(one.peer, b"x")?;
        *place = Some(one);
    }
    let mut times = [0; 8];
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; 3];
        let mut events = Events::new(&mut slots);
        harness.poll(&mut events)?;
        for event in &events {
            let known =
                watched.iter().position(|one| one.is_some_and(|one| one.token == event.token));
            let Some(place) = known else {
                fail!("{:?} was reported, and is not registered", event.token)
            };
            times[place] += 1;
            ensure!(!strictly || times[place] == 1, "{:?} was reported twice", event.token);
        }
        if times.iter().all(|times| *times > 0) {
            return Ok(());
        }
        harness.fixture.settle();
    }
    fail!("of eight ready sources in batches of three, some were never reported: {times:?}")
}

pub(crate) fn oneshot_events_beyond_the_batch_come_later<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    each_comes_once(&mut Harness::new(make, 8)?, Mode::Oneshot, true)
}

pub(crate) fn edge_events_beyond_the_batch_come_later<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 8)?;
    if !harness.can(Capabilities::EDGE) {
        return Err(Stop::not_applicable(format_args!("the platform has no edge mode")));
    }
    each_comes_once(&mut harness, Mode::Edge, false)
}

pub(crate) fn a_source_is_in_a_batch_once<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    let mut tokens = [Token::from_u64(0); 8];
    for token in &mut tokens {
        let one = harness.watch(both, Mode::Level)?;
        harness.send(one.peer, b"x")?;
        *token = one.token;
    }
    for token in tokens {
        harness.expect(token, Readiness::READABLE | Readiness::WRITABLE)?;
    }
    for size in [1, 2, 5, 8, 9, 20] {
        let mut slots = [Event::EMPTY; 20];
        let mut events = Events::new(&mut slots[..size]);
        harness.poll(&mut events)?;
        for (place, event) in events.iter().enumerate() {
            let again =
                events.as_slice()[..place].iter().any(|earlier| earlier.token == event.token);
            ensure!(!again, "{:?} is twice in a batch of {size}", event.token);
        }
    }
    Ok(())
}
