//! Scale: many sources, and many that come and go.

use selkie_core::platform::{Events, Selector};
use selkie_core::{Event, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{Fixture, MakeFixture};

/// Number of sources in the cases with many of them.
const MANY: usize = 300;

/// Number of sources that are more than some systems report at once.
const LARGE: usize = 1_100;

/// Number of times that a source is registered and deregistered.
const CHURN: usize = 10_000;

pub(crate) fn many_sources_are_all_reported<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, MANY)?;
    for _ in 0..MANY {
        let one = harness.reader()?;
        harness.send(one.peer, b"x")?;
    }
    let mut reported = [false; MANY];
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; 64];
        let mut events = Events::new(&mut slots);
        harness.poll(&mut events)?;
        for event in &events {
            ensure!(
                harness.registry.contains(event.token),
                "{:?} was reported, and is not registered",
                event.token
            );
            reported[event.token.index()] = true;
        }
        if reported.iter().all(|reported| *reported) {
            return Ok(());
        }
        harness.fixture.settle();
    }
    let missing = reported.iter().filter(|reported| !**reported).count();
    fail!("of {MANY} ready sources {missing} never arrived")
}

pub(crate) fn a_large_batch_is_filled<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, LARGE)?;
    for _ in 0..LARGE {
        let one = harness.reader()?;
        harness.send(one.peer, b"x")?;
    }
    let mut most = 0;
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; LARGE + 100];
        let mut events = Events::new(&mut slots);
        harness.poll(&mut events)?;
        most = most.max(events.len());
        if most == LARGE {
            return Ok(());
        }
        harness.fixture.settle();
    }
    fail!("of {LARGE} ready sources a batch with room for all has {most}")
}

pub(crate) fn many_idle_sources_hide_none<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, MANY)?;
    let mut last = harness.reader()?;
    for _ in 1..MANY {
        last = harness.reader()?;
    }
    for _ in 0..10 {
        harness.still_works(last)?;
    }
    Ok(())
}

pub(crate) fn churn_leaves_nothing_behind<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let bystander = harness.reader()?;
    let (source, peer) = harness.pair()?;
    harness.send(peer, b"x")?;
    for round in 0..CHURN {
        let mode = if round % 2 == 0 { Mode::Level } else { Mode::Oneshot };
        let token = harness.token()?;
        let platform = harness.platform();
        platform.register(source, token, Interest::READABLE, mode).must("registering again")?;
        if round % 64 == 0 {
            harness.expect(token, Readiness::READABLE)?;
        }
        if round % 3 == 0 {
            let platform = harness.platform();
            platform.modify(source, token, Interest::NONE, mode).must("silencing")?;
        }
        harness.deregister(source, token)?;
        if round % 64 == 0 {
            ensure!(harness.look(token)?.is_empty(), "a deregistered token was reported");
        }
    }
    harness.still_works(bystander)
}

pub(crate) fn connections_come_and_go<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let mut watched = [None; 8];
    for round in 0..200_usize {
        // A step that shares no factor with the number of places, so that neighbours come and go in
        // any order.
        let place = (round * 5 + round / 8) % 8;
        if let Some(old) = watched[place].take() {
            harness.still_works(old)?;
            harness.drop_connection(old)?;
        }
        watched[place] = Some(harness.reader()?);
    }
    for one in watched.iter().flatten() {
        harness.still_works(*one)?;
    }
    Ok(())
}

pub(crate) fn polling_an_empty_platform_is_fine<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for _ in 0..3 {
        let mut slots = [Event::EMPTY; 4];
        let mut events = Events::new(&mut slots);
        harness.poll(&mut events)?;
        ensure!(events.is_empty(), "a platform without sources reported {:?}", events.as_slice());
        let watched = harness.reader()?;
        harness.still_works(watched)?;
        harness.drop_connection(watched)?;
    }
    Ok(())
}
