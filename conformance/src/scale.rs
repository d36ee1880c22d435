//! Scale: many sources, and many that come and go.

use selkie_core::{Event, Events, Interest, Mode, Readiness, Selector};

use crate::outcome::{Answer, Check, ensure, fail};
use crate::stage::{PATIENCE, Stage};
use crate::{Fixture, Make};

/// How many sources are many.
const MANY: usize = 300;

/// How often a source comes and goes.
const CHURN: usize = 10_000;

pub(crate) fn many_sources_are_all_reported<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, MANY)?;
    for _ in 0..MANY {
        let one = stage.reader()?;
        stage.send(one.peer, b"x")?;
    }
    let mut reported = [false; MANY];
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; 64];
        let mut events = Events::new(&mut slots);
        stage.poll(&mut events)?;
        for event in &events {
            ensure!(
                stage.registry.contains(event.token),
                "{:?} was reported, and is not registered",
                event.token
            );
            reported[event.token.index()] = true;
        }
        if reported.iter().all(|reported| *reported) {
            return Ok(());
        }
        stage.fixture.settle();
    }
    let missing = reported.iter().filter(|reported| !**reported).count();
    fail!("of {MANY} ready sources {missing} never came")
}

pub(crate) fn many_idle_sources_hide_none<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, MANY)?;
    let mut last = stage.reader()?;
    for _ in 1..MANY {
        last = stage.reader()?;
    }
    for _ in 0..10 {
        stage.still_works(last)?;
    }
    Ok(())
}

pub(crate) fn churn_leaves_nothing_behind<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let bystander = stage.reader()?;
    let (source, peer) = stage.pair()?;
    stage.send(peer, b"x")?;
    for round in 0..CHURN {
        let mode = if round % 2 == 0 { Mode::Level } else { Mode::Oneshot };
        let token = stage.token()?;
        let platform = stage.platform();
        platform.register(source, token, Interest::READABLE, mode).must("registering again")?;
        if round % 64 == 0 {
            stage.expect(token, Readiness::READABLE)?;
        }
        if round % 3 == 0 {
            let platform = stage.platform();
            platform.modify(source, token, Interest::NONE, mode).must("silencing")?;
        }
        stage.deregister(source, token)?;
        if round % 64 == 0 {
            ensure!(stage.look(token)?.is_empty(), "a deregistered token was reported");
        }
    }
    stage.still_works(bystander)
}

pub(crate) fn connections_come_and_go<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 8)?;
    let mut watched = [None; 8];
    for round in 0..200_usize {
        // A step that shares no factor with the number of places, so that neighbours come and go in
        // any order.
        let place = (round * 5 + round / 8) % 8;
        if let Some(old) = watched[place].take() {
            stage.still_works(old)?;
            stage.drop_connection(old)?;
        }
        watched[place] = Some(stage.reader()?);
    }
    for one in watched.iter().flatten() {
        stage.still_works(*one)?;
    }
    Ok(())
}

pub(crate) fn polling_an_empty_platform_is_fine<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    for _ in 0..3 {
        let mut slots = [Event::EMPTY; 4];
        let mut events = Events::new(&mut slots);
        stage.poll(&mut events)?;
        ensure!(events.is_empty(), "a platform without sources reported {:?}", events.as_slice());
        let watched = stage.reader()?;
        stage.still_works(watched)?;
        stage.drop_connection(watched)?;
    }
    Ok(())
}
