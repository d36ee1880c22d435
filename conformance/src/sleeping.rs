//! Sleeping: until the deadline, never less, and not by asking again and again.

use core::time::Duration;

use selkie_core::platform::{Events, Wait};
use selkie_core::{Event, Instant, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{MakeFixture, WaitFixture};

/// Time limit for "at once" on a busy machine.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(20);

impl<F: WaitFixture> Harness<F> {
    /// Waits for `span` with nothing to report, and returns the number of waits that ended too
    /// early.
    #[track_caller]
    pub(crate) fn sleep(&mut self, span: Duration) -> Check<usize> {
        let start = self.clock();
        let deadline = start + span;
        for early in 0..PATIENCE {
            let mut slots = [Event::EMPTY; 4];
            let mut events = Events::new(&mut slots);
            self.platform().wait(&mut events, Some(deadline)).must("waiting")?;
            ensure!(
                events.is_empty(),
                "nothing is ready, and a wait reported {:?}",
                events.as_slice()
            );
            let now = self.clock();
            if now >= deadline {
                let late = now.saturating_since(deadline);
                ensure!(late < AT_ONCE, "a wait of {span:?} ended {late:?} after its deadline");
                return Ok(early);
            }
        }
        fail!("a wait of {span:?} ended {PATIENCE} times before its deadline: it spins")
    }
}

/// Spans that are less than one step of some clock, no multiple of one, or several.
const SPANS: [Duration; 6] = [
    Duration::from_nanos(1),
    Duration::from_nanos(999_999),
    Duration::from_micros(300),
    Duration::from_micros(1_500),
    Duration::from_millis(7),
    Duration::from_micros(20_001),
];

/// Sleeps each of the spans ten times. A wait may end early for no visible reason, but not as a
/// habit.
fn sleeps<F: WaitFixture>(harness: &mut Harness<F>) -> Check {
    for span in SPANS {
        let mut early = 0;
        for _ in 0..10 {
            early += harness.sleep(span)?;
        }
        ensure!(early <= 2, "10 waits of {span:?} ended {early} times before their deadlines");
    }
    Ok(())
}

pub(crate) fn time_never_goes_back<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let mut before = harness.clock();
    for round in 0..1_000 {
        let now = harness.clock();
        ensure!(now >= before, "the time went back from {before:?} to {now:?}");
        before = now;
        if round % 100 == 0 {
            harness.sleep(Duration::from_micros(100))?;
        }
    }
    let given = harness.fixture.now();
    ensure!(
        given >= before,
        "the fixture's time {given:?} is not that of its platform, {before:?}"
    );
    Ok(())
}

pub(crate) fn a_deadline_that_passed_returns_at_once<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for register in [false, true] {
        if register {
            harness.reader()?;
        }
        let start = harness.clock();
        for deadline in [Instant::ZERO, Instant::from_nanos(1), start] {
            let mut slots = [Event::EMPTY; 4];
            let mut events = Events::new(&mut slots);
            harness
                .platform()
                .wait(&mut events, Some(deadline))
                .must("waiting until a time that passed")?;
            ensure!(
                events.is_empty(),
                "nothing is ready, and a wait reported {:?}",
                events.as_slice()
            );
        }
        let took = harness.clock().saturating_since(start);
        ensure!(took < AT_ONCE, "waiting until a time that passed took {took:?}");
    }
    Ok(())
}

pub(crate) fn a_wait_never_ends_before_its_deadline<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.reader()?;
    sleeps(&mut harness)
}

pub(crate) fn a_wait_without_sources_sleeps<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    sleeps(&mut Harness::new(make, 2)?)
}

pub(crate) fn a_wait_with_silent_sources_sleeps<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for interest in [Interest::NONE, Interest::READABLE] {
        let watched = harness.watch(interest, Mode::Level)?;
        harness.modify(watched, Interest::NONE, Mode::Level)?;
        harness.send(watched.peer, b"x")?;
        harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    }
    let spent = harness.watch(Interest::READABLE, Mode::Oneshot)?;
    harness.send(spent.peer, b"x")?;
    harness.expect(spent.token, Readiness::READABLE)?;
    sleeps(&mut harness)
}

pub(crate) fn a_wait_ends_soon_after_its_deadline<F: WaitFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.reader()?;
    // The best of several, because a busy machine may delay any one of them.
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let deadline = harness.clock() + Duration::from_millis(2);
        harness.sleep(Duration::from_millis(2))?;
        best = best.min(harness.clock().saturating_since(deadline));
    }
    ensure!(
        best < Duration::from_millis(50),
        "of 20 waits, the most punctual ended {best:?} after its deadline"
    );
    Ok(())
}

pub(crate) fn a_wait_does_not_spin<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    harness.fixture.busy_time().ability("measure of processor time")?;
    harness.reader()?;
    let hung_up = harness.watch(Interest::NONE, Mode::Level)?;
    harness.fixture.peer_close(hung_up.peer).must("closing the far end")?;
    for span in
        [Duration::from_micros(900), Duration::from_micros(1_900), Duration::from_millis(20)]
    {
        // The best of several, because a busy machine may make any one of them look long.
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let before = harness.fixture.busy_time().must("measuring processor time")?;
            harness.sleep(span)?;
            let after = harness.fixture.busy_time().must("measuring processor time")?;
            best = best.min(after.saturating_sub(before));
        }
        // Who spins is busy for nearly all of it; asking for the time takes some, too, where
        // another process is asked.
        ensure!(
            best < span / 2,
            "of 20 waits of {span:?}, the laziest was busy for {best:?}: it spins"
        );
    }
    Ok(())
}

pub(crate) fn a_timeout_counts_from_now<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let span = Duration::from_millis(3);
    let mut early = 0;
    for _ in 0..10 {
        let start = harness.clock();
        let mut slots = [Event::EMPTY; 4];
        harness
            .platform()
            .wait_for(&mut Events::new(&mut slots), span)
            .must("waiting for a timeout")?;
        early += usize::from(harness.clock().saturating_since(start) < span);
    }
    ensure!(early <= 2, "10 waits with a timeout of {span:?} ended {early} times too early");
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    let mut slots = [Event::EMPTY; 4];
    let mut events = Events::new(&mut slots);
    harness
        .platform()
        .wait_for(&mut events, Duration::MAX)
        .must("waiting with an endless timeout")?;
    ensure!(events.len() == 1, "a wait with an endless timeout did not report a ready source");
    Ok(())
}

pub(crate) fn an_interrupted_wait_may_end_early<F: WaitFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    harness.reader()?;
    let (span, period) = (Duration::from_millis(60), Duration::from_millis(7));
    let interrupted = Duration::from_millis(600);
    // The best of several, because a busy machine may make any one of them look long.
    let mut best = Duration::MAX;
    for _ in 0..5 {
        harness.fixture.interrupt(period, interrupted).ability("way to interrupt a wait")?;
        let start = harness.clock();
        let early = harness.sleep(span)?;
        let took = harness.clock().saturating_since(start);
        ensure!(took >= span, "waits of {span:?} that were interrupted ended after {took:?}");
        // One early end for each interruption, and a few for a busy machine.
        let interruptions = took.as_millis().div_ceil(period.as_millis());
        ensure!(
            early as u128 <= interruptions + 3,
            "waits ended {early} times early by at most {interruptions} interruptions"
        );
        best = best.min(took);
        if best < interrupted {
            return Ok(());
        }
    }
    fail!("waits of {span:?} lasted as long as they were interrupted, {best:?}: they start over")
}
