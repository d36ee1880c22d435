//! Fairness: a source that stays ready is reported within `ceil(ready / batch)` polls, and no index
//! is favoured.

use selkie_core::platform::{Events, Selector};
use selkie_core::{Event, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{Fixture, MakeFixture};

/// The most ready sources of a case.
const READY_MAX: usize = 33;

/// A platform with `count` sources, all of which stay ready.
struct Hot<F: Fixture> {
    harness: Harness<F>,
    watched: [Option<Registered<F>>; READY_MAX],
    count: usize,
}

impl<F: Fixture> Hot<F> {
    #[track_caller]
    fn new(make: MakeFixture<'_, F>, count: usize) -> Check<Self> {
        let mut harness = Harness::new(make, count)?;
        let mut watched = [None; READY_MAX];
        for place in &mut watched[..count] {
            let one = harness.reader()?;
            harness.send(one.peer, b"x")?;
            *place = Some(one);
        }
        let mut hot = Self { harness, watched, count };
        hot.until_all_arrived()?;
        Ok(hot)
    }

    /// Waits until every byte has arrived at its near end, without polling for it in small batches.
    #[track_caller]
    fn until_all_arrived(&mut self) -> Check {
        for _ in 0..PATIENCE {
            let mut slots = [Event::EMPTY; READY_MAX + 1];
            let mut events = Events::new(&mut slots);
            self.harness.poll(&mut events)?;
            if events.len() >= self.count {
                return Ok(());
            }
            self.harness.fixture.settle();
        }
        fail!("not all of {} ready sources come in a batch that has room for all", self.count)
    }

    /// Polls once with room for `batch` events, and returns the sources that were reported.
    #[track_caller]
    fn round(&mut self, batch: usize) -> Check<[bool; READY_MAX]> {
        let mut slots = [Event::EMPTY; READY_MAX + 8];
        let mut events = Events::new(&mut slots[..batch]);
        self.harness.poll(&mut events)?;
        let mut reported = [false; READY_MAX];
        for event in &events {
            let known =
                self.watched.iter().position(|one| one.is_some_and(|one| one.token == event.token));
            match known {
                Some(place) if reported[place] => fail!("{:?} is in a batch twice", event.token),
                Some(place) => reported[place] = true,
                None => fail!("{:?} was reported, and is not registered", event.token),
            }
        }
        Ok(reported)
    }
}

/// Returns the batch sizes to try with `ready` ready sources.
fn batches(ready: usize) -> [usize; 6] {
    [1, 2, 3, ready - 1, ready, ready + 5]
}

pub(crate) fn every_ready_source_is_reported_in_time<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    for ready in [3, 7, 10, READY_MAX] {
        let mut hot = Hot::new(make, ready)?;
        for batch in batches(ready) {
            let bound = ready.div_ceil(batch);
            let mut overdue = [0; READY_MAX];
            for _ in 0..bound * 4 {
                let reported = hot.round(batch)?;
                for place in 0..ready {
                    overdue[place] = if reported[place] { 0 } else { overdue[place] + 1 };
                    let waits = overdue[place];
                    ensure!(
                        waits < bound,
                        "source {place} of {ready} went unreported for {waits} polls with batches \
                         of {batch}"
                    );
                }
            }
        }
    }
    Ok(())
}

pub(crate) fn no_index_is_favoured<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for ready in [3, 7, READY_MAX] {
        let mut hot = Hot::new(make, ready)?;
        for batch in batches(ready) {
            let mut times = [0_usize; READY_MAX];
            for _ in 0..ready.div_ceil(batch) * 12 {
                let reported = hot.round(batch)?;
                for place in 0..ready {
                    times[place] += usize::from(reported[place]);
                }
            }
            let most = times[..ready].iter().copied().max().unwrap_or(0);
            let least = times[..ready].iter().copied().min().unwrap_or(0);
            // Equal turns, but for where the rounds began and ended, and for what a platform may
            // merge or miss.
            ensure!(
                most - least <= 2 + most / 4,
                "of {ready} sources in batches of {batch}, one was reported {most} times and \
                 another {least} times"
            );
        }
    }
    Ok(())
}

pub(crate) fn a_hot_source_does_not_hide_a_late_one<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut hot = Hot::new(make, 4)?;
    let Some(late) = hot.watched[3] else { return Ok(()) };
    hot.harness.read_exactly(late.source, 1)?;
    for _ in 0..5 {
        for _ in 0..7 {
            hot.round(1)?;
        }
        hot.harness.send(late.peer, b"x")?;
        hot.harness.expect(late.token, Readiness::READABLE)?;
        let mut polls = 0;
        while !hot.round(1)?[3] {
            polls += 1;
            ensure!(
                polls < 4,
                "a source that became ready waited for {polls} polls behind three others"
            );
        }
        hot.harness.read_exactly(late.source, 1)?;
    }
    Ok(())
}

pub(crate) fn every_batch_is_as_full_as_it_can_be<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let ready = 10;
    let mut hot = Hot::new(make, ready)?;
    for batch in batches(ready) {
        for _ in 0..12 {
            let count = hot.round(batch)?.iter().filter(|reported| **reported).count();
            let wanted = ready.min(batch);
            ensure!(
                count == wanted,
                "of {ready} ready sources {count} were in a batch that has room for {batch}"
            );
        }
    }
    Ok(())
}

pub(crate) fn sources_that_leave_do_not_make_others_wait<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut hot = Hot::new(make, 12)?;
    // Every third source leaves, in every order that a batch of two can meet them in.
    for partial_consume in [0, 3, 6, 9, 11, 1] {
        hot.round(2)?;
        if let Some(gone) = hot.watched[partial_consume].take() {
            hot.harness.drop_connection(gone)?;
        }
        let left = hot.watched.iter().flatten().count();
        let mut seen = [false; READY_MAX];
        for _ in 0..left.div_ceil(2) {
            for (seen, reported) in seen.iter_mut().zip(hot.round(2)?) {
                *seen |= reported;
            }
        }
        for (place, watched) in hot.watched[..hot.count].iter().enumerate() {
            let fine = seen[place] || watched.is_none();
            ensure!(fine, "source {place} was forgotten when source {partial_consume} left");
        }
    }
    // And those that only fall silent.
    for silent in [2, 4] {
        let Some(one) = hot.watched[silent] else { continue };
        let platform = hot.harness.platform();
        platform.modify(one.source, one.token, Interest::NONE, Mode::Level).must("silencing")?;
        for _ in 0..4 {
            ensure!(!hot.round(2)?[silent], "a source without interest was reported");
        }
    }
    Ok(())
}
