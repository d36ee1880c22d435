//! Waiting for events: with a deadline near, far or past, and without one.

use core::time::Duration;

use selkie_core::platform::{Events, Wait};
use selkie_core::{Event, Instant, Interest, Mode, Readiness, Token};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::sleeping::AT_ONCE;
use crate::{MakeFixture, WaitFixture};

/// A deadline that no case should reach.
const FAR: Duration = Duration::from_secs(60);

/// Maximum number of waits that may end empty before an expected event, on a busy machine.
const WAITS_MAX: usize = 100 * PATIENCE;

/// Delay of what is scheduled for later.
const LATER: Duration = Duration::from_millis(20);

/// An event that no platform reports.
const FOREIGN: Event =
    Event { token: Token::new(u32::MAX, u32::MAX), readiness: Readiness::PRIORITY };

impl<F: WaitFixture> Harness<F> {
    /// Returns the time of the platform's clock.
    pub(crate) fn clock(&mut self) -> Instant {
        self.platform().now()
    }

    /// Waits once, until `deadline` at most, and returns what was reported for `token`.
    #[track_caller]
    pub(crate) fn wait(&mut self, token: Token, deadline: Option<Instant>) -> Check<Readiness> {
        let mut slots = [Event::EMPTY; 32];
        let mut events = Events::new(&mut slots);
        self.platform().wait(&mut events, deadline).must("waiting")?;
        let mut found = Readiness::NONE;
        for event in &events {
            if event.token == token {
                found |= event.readiness.with_implied();
            } else {
                ensure!(
                    self.registry.contains(event.token),
                    "{:?} was reported, and is not registered",
                    event.token
                );
            }
        }
        Ok(found)
    }

    /// Waits until `token` is reported ready for `wanted`, again if a wait ends for no visible
    /// reason.
    #[track_caller]
    pub(crate) fn wait_until(
        &mut self,
        token: Token,
        wanted: Readiness,
        deadline: Option<Instant>,
    ) -> Check {
        let start = self.clock();
        let mut seen = Readiness::NONE;
        for waits in 1..=WAITS_MAX {
            seen |= self.wait(token, deadline)?;
            if seen.contains(wanted) {
                let took = self.clock().saturating_since(start);
                ensure!(took < FAR / 2, "a wait for something that arrives soon took {took:?}");
                return Ok(());
            }
            let past = deadline.is_some_and(|deadline| self.clock() >= deadline);
            ensure!(
                !past,
                "{token:?} should be reported {wanted:?} before the deadline, and was reported \
                 {seen:?}"
            );
            let late = waits >= PATIENCE && self.clock().saturating_since(start) > FAR / 5;
            ensure!(!late, "{waits} waits ended without what they waited for");
        }
        fail!("{WAITS_MAX} waits ended without what they waited for")
    }
}

pub(crate) fn a_deadline_that_passed_still_reports<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..3 {
        let seen = harness.wait(watched.token, Some(Instant::ZERO))?;
        ensure!(
            seen.is_readable(),
            "a wait until a time that passed did not report a ready source"
        );
    }
    Ok(())
}

pub(crate) fn an_event_ends_a_wait<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    for _ in 0..3 {
        harness.send(watched.peer, b"x")?;
        let deadline = harness.clock() + FAR;
        harness.wait_until(watched.token, Readiness::READABLE, Some(deadline))?;
        harness.read_exactly(watched.source, 1)?;
        ensure!(
            harness.sleep(Duration::from_millis(2))? <= 1,
            "a wait does not sleep after all bytes were read"
        );
    }
    Ok(())
}

pub(crate) fn an_event_ends_a_wait_without_a_deadline<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for (interest, wanted) in [
        (Interest::WRITABLE, Readiness::WRITABLE),
        (Interest::READABLE | Interest::WRITABLE, Readiness::READABLE),
    ] {
        let watched = harness.watch(interest, Mode::Level)?;
        harness.send(watched.peer, b"x")?;
        harness.wait_until(watched.token, wanted, None)?;
        harness.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn an_event_that_comes_later_ends_a_wait<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    for far in [Some(FAR), None] {
        harness
            .fixture
            .peer_write_later(watched.peer, b"x", LATER)
            .ability("way to write while the platform waits")?;
        let deadline = far.map(|far| harness.clock() + far);
        harness.wait_until(watched.token, Readiness::READABLE, deadline)?;
        harness.read_exactly(watched.source, 1)?;
    }
    Ok(())
}

/// Returns deadlines that do not fit the systems' types: 32 bits of milliseconds, 64 bits of
/// nanoseconds.
fn far_deadlines(now: Instant) -> [Instant; 4] {
    [
        Instant::MAX,
        Instant::from_nanos(u64::MAX / 2),
        now + Duration::from_millis(0x8000_0000),
        now + Duration::from_secs(0x1_0000_0000),
    ]
}

pub(crate) fn a_far_deadline_does_not_overflow<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let now = harness.clock();
    for deadline in far_deadlines(now) {
        harness.send(watched.peer, b"x")?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.wait_until(watched.token, Readiness::READABLE, Some(deadline))?;
        harness.read_exactly(watched.source, 1)?;
    }
    for deadline in far_deadlines(now) {
        harness
            .fixture
            .peer_write_later(watched.peer, b"x", LATER)
            .ability("way to write while the platform waits")?;
        let mut waits = 0;
        while !harness.wait(watched.token, Some(deadline))?.is_readable() {
            waits += 1;
            ensure!(
                waits < 5,
                "waits until {deadline:?} end at once, as if the deadline had passed"
            );
        }
        harness.read_exactly(watched.source, 1)?;
    }
    Ok(())
}

pub(crate) fn a_full_batch_returns_at_once<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for _ in 0..2 {
        let start = harness.clock();
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        ensure!(events.push(FOREIGN).is_ok(), "a batch has no room left");
        harness
            .platform()
            .wait(&mut events, Some(start + FAR))
            .must("waiting with a full batch")?;
        ensure!(events.as_slice() == [FOREIGN], "a wait changed a full batch");
        let took = harness.clock().saturating_since(start);
        ensure!(took < AT_ONCE, "a wait that can report nothing took {took:?}");
        harness.reader()?;
    }
    Ok(())
}

pub(crate) fn events_are_added_by_a_wait<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for _ in 0..2 {
        let one = harness.reader()?;
        harness.send(one.peer, b"x")?;
        harness.expect(one.token, Readiness::READABLE)?;
    }
    let mut slots = [Event::EMPTY; 2];
    let mut events = Events::new(&mut slots);
    ensure!(events.push(FOREIGN).is_ok(), "a batch has no room left");
    let deadline = harness.clock() + FAR;
    harness.platform().wait(&mut events, Some(deadline)).must("waiting")?;
    let added =
        events.len() == 2 && events.as_slice()[0] == FOREIGN && events.as_slice()[1] != FOREIGN;
    ensure!(added, "a wait with one event and one place left gave {:?}", events.as_slice());
    Ok(())
}

pub(crate) fn waits_are_fair<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 7)?;
    for _ in 0..7 {
        let one = harness.reader()?;
        harness.send(one.peer, b"x")?;
        harness.expect(one.token, Readiness::READABLE)?;
    }
    for batch in [1, 2, 3, 5] {
        let bound = 7_usize.div_ceil(batch);
        let mut overdue = [0; 7];
        for _ in 0..bound * 4 {
            let mut slots = [Event::EMPTY; 5];
            let mut events = Events::new(&mut slots[..batch]);
            let deadline = harness.clock() + FAR;
            harness.platform().wait(&mut events, Some(deadline)).must("waiting")?;
            for (index, waits) in overdue.iter_mut().enumerate() {
                let reported = events.iter().any(|event| event.token.index() == index);
                *waits = if reported { 0 } else { *waits + 1 };
                ensure!(
                    *waits < bound,
                    "source {index} of 7 went unreported for {waits} waits, batches of {batch}"
                );
            }
        }
    }
    Ok(())
}

pub(crate) fn an_interrupted_wait_still_reports<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness
        .fixture
        .interrupt(Duration::from_millis(3), Duration::from_millis(60))
        .ability("way to interrupt a wait")?;
    harness
        .fixture
        .peer_write_later(watched.peer, b"x", LATER)
        .ability("way to write while the platform waits")?;
    harness.wait_until(watched.token, Readiness::READABLE, None)
}

pub(crate) fn a_broken_source_does_not_stop_a_wait<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let broken = harness.reader()?;
    harness.fixture.break_source(broken.source).ability("way to break a source")?;
    for _ in 0..3 {
        harness.send(watched.peer, b"x")?;
        let deadline = harness.clock() + FAR;
        harness.wait_until(watched.token, Readiness::READABLE, Some(deadline))?;
        harness.read_exactly(watched.source, 1)?;
    }
    let deadline = harness.clock() + Duration::from_millis(2);
    harness.wait(broken.token, Some(deadline))?;
    harness.deregister(broken.source, broken.token)?;
    ensure!(
        harness.sleep(Duration::from_millis(2))? <= 1,
        "a wait spins after a broken source was deregistered"
    );
    Ok(())
}
