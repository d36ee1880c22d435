//! Waking: wakes are reported under the waker's token, together, and once.

use selkie_core::platform::{Capabilities, Events, Selector, Wake};
use selkie_core::{ErrorKind, Event, Interest, Mode, Readiness, Token};

use crate::fixture::WakerOf;
use crate::harness::Harness;
use crate::outcome::{Answer, Check, ensure};
use crate::{MakeFixture, WakeFixture};

impl<F: WakeFixture> Harness<F> {
    /// Makes a waker, and returns it with its token.
    #[track_caller]
    pub(crate) fn waker(&mut self) -> Check<(WakerOf<F>, Token)> {
        let token = self.token()?;
        Ok((self.platform().waker(token).must("making a waker")?, token))
    }

    /// Wakes.
    #[track_caller]
    pub(crate) fn wake(&mut self, waker: &WakerOf<F>) -> Check {
        self.fixture.wake(waker).must("waking")
    }
}

/// Text for a wake that is reported again.
const OVER: &str = "though its wake was reported already";

pub(crate) fn a_waker_is_a_capability<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    ensure!(
        harness.can(Capabilities::WAKER),
        "a platform with a waker does not claim the capability"
    );
    let (_waker, token) = harness.waker()?;
    harness.expect_silence(token, "without a wake")
}

pub(crate) fn a_wake_is_reported_under_its_token<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let (waker, token) = harness.waker()?;
    harness.wake(&waker)?;
    let seen = harness.expect(token, Readiness::READABLE)?;
    ensure!(seen == Readiness::READABLE, "a wake was reported {seen:?}");
    harness.expect_calm(watched.token, Readiness::READABLE, "and nothing was sent to it")
}

pub(crate) fn wakes_coalesce<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    wake_and_report_once(make, 100).map(|_| ())
}

pub(crate) fn a_reported_wake_is_over<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    wake_and_report_once(make, 1).map(|_| ())
}

/// Wakes a number of times, and checks that all are reported together. Returns the harness, the
/// waker and its token.
fn wake_and_report_once<F: WakeFixture>(
    make: MakeFixture<'_, F>,
    wakes: usize,
) -> Check<(Harness<F>, WakerOf<F>, Token)> {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    for _ in 0..wakes {
        harness.wake(&waker)?;
    }
    harness.expect(token, Readiness::READABLE)?;
    harness.expect_silence(token, OVER)?;
    Ok((harness, waker, token))
}

pub(crate) fn a_wake_after_a_report_is_another<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    for _ in 0..100 {
        harness.wake(&waker)?;
        harness.expect(token, Readiness::READABLE)?;
    }
    harness.expect_silence(token, OVER)
}

pub(crate) fn very_many_wakes_do_not_block<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    // More than fits into a pipe, by default 64 KiB.
    let (mut harness, waker, token) = wake_and_report_once(make, 70_000)?;
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn a_second_waker_is_refused<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let (waker, token) = harness.waker()?;
    let second = harness.token()?;
    for another in [second, token] {
        let refused = harness.platform().waker(another).map(|_| ());
        refused.must_fail("making a second waker", &[ErrorKind::AlreadyRegistered])?;
    }
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    harness.expect_silence(second, "though its waker was refused")?;
    let (source, _) = harness.pair()?;
    let platform = harness.platform();
    platform
        .register(source, second, Interest::READABLE, Mode::Level)
        .must("using the token after a refusal")
}

pub(crate) fn a_taken_token_is_refused<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let refused = harness.platform().waker(watched.token).map(|_| ());
    refused
        .must_fail("making a waker with the token of a source", &[ErrorKind::AlreadyRegistered])?;
    harness.still_works(watched)?;
    let (waker, token) = harness.waker()?;
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    harness.still_works(watched)
}

pub(crate) fn a_token_beyond_the_capacity_is_refused<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let beyond = Token::new(u32::try_from(harness.platform().capacity()).unwrap_or(u32::MAX), 1);
    let refused = harness.platform().waker(beyond).map(|_| ());
    refused.must_fail("making a waker beyond the capacity", &[ErrorKind::Full])?;
    let (waker, token) = harness.waker()?;
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn the_token_of_a_waker_takes_no_source<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    let (source, peer) = harness.pair()?;
    let refused = harness.platform().register(source, token, Interest::READABLE, Mode::Level);
    refused.must_fail("registering under the token of a waker", &[ErrorKind::AlreadyRegistered])?;
    harness.send(peer, b"x")?;
    harness.expect_silence(token, "without a wake")?;
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn a_wake_comes_beside_events<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let (waker, token) = harness.waker()?;
    for _ in 0..3 {
        harness.send(watched.peer, b"x")?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.wake(&waker)?;
        harness.expect(token, Readiness::READABLE)?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.read_exactly(watched.source, 1)?;
        harness.expect_silence(token, OVER)?;
        harness.still_works(watched)?;
    }
    Ok(())
}

/// Two hot sources and a waker, polled through a batch of one.
struct Crowd<F: WakeFixture> {
    harness: Harness<F>,
    waker: WakerOf<F>,
    token: Token,
}

impl<F: WakeFixture> Crowd<F> {
    fn new(make: MakeFixture<'_, F>) -> Check<Self> {
        let mut harness = Harness::new(make, 4)?;
        for _ in 0..2 {
            let hot = harness.reader()?;
            harness.send(hot.peer, b"x")?;
            harness.expect(hot.token, Readiness::READABLE)?;
        }
        let (waker, token) = harness.waker()?;
        Ok(Self { harness, waker, token })
    }

    /// Polls with a batch of one and returns the token of its event.
    fn one(&mut self) -> Check<Token> {
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        self.harness.poll(&mut events)?;
        ensure!(events.len() == 1, "two sources stay ready, and a poll reported nothing");
        Ok(events.as_slice()[0].token)
    }
}

pub(crate) fn a_wake_is_reported_beside_many_events<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut crowd = Crowd::new(make)?;
    for _ in 0..5 {
        crowd.harness.wake(&crowd.waker)?;
        let mut polls = 1;
        while crowd.one()? != crowd.token {
            polls += 1;
            ensure!(
                polls <= 3,
                "a wake went unreported for {polls} polls beside two ready sources"
            );
        }
    }
    Ok(())
}

pub(crate) fn wakes_do_not_hide_events<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut crowd = Crowd::new(make)?;
    let mut events = 0;
    for _ in 0..30 {
        crowd.harness.wake(&crowd.waker)?;
        events += usize::from(crowd.one()? != crowd.token);
    }
    // Three are ready all the time, so two of three reports should be those of sources; half of
    // that must be.
    ensure!(
        events >= 10,
        "beside a waker that is always woken, two ready sources had {events} of 30 reports"
    );
    Ok(())
}

pub(crate) fn a_wake_beyond_the_batch_comes_later<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    let mut slots = [Event::EMPTY; 1];
    let mut events = Events::new(&mut slots);
    let foreign = Event { token: Token::new(u32::MAX, u32::MAX), readiness: Readiness::PRIORITY };
    ensure!(events.push(foreign).is_ok(), "a batch has no room left");
    harness.wake(&waker)?;
    harness.poll(&mut events)?;
    ensure!(events.as_slice() == [foreign], "a poll changed a full batch");
    harness.expect(token, Readiness::READABLE)?;
    harness.expect_silence(token, OVER)
}

impl<F: WakeFixture> Harness<F> {
    /// Gives a waker back. Not applicable where the platform cannot.
    #[track_caller]
    fn release_waker(&mut self, token: Token) -> Check {
        self.platform().release_waker(token).ability("way to give a waker back")?;
        self.registry.remove(token).must("taking a token back")
    }
}

pub(crate) fn a_released_waker_is_silent<F: WakeFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (waker, token) = harness.waker()?;
    harness.wake(&waker)?;
    harness.release_waker(token)?;
    harness.expect_silence(token, "though its waker was given back")?;
    // That the handle refuses to wake is as good as that it wakes nothing.
    let _ = harness.fixture.wake(&waker);
    harness.expect_silence(token, "though its waker was given back")?;
    let (_second, again) = harness.waker()?;
    harness.expect_silence(again, "by a wake of another waker")?;
    harness.expect_silence(token, "though its waker was given back")
}

pub(crate) fn a_released_waker_makes_room_for_another<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for _ in 0..3 {
        let (waker, token) = harness.waker()?;
        harness.wake(&waker)?;
        harness.expect(token, Readiness::READABLE)?;
        harness.release_waker(token)?;
        // The token is as good as any other now.
        let watched = harness.reader()?;
        harness.still_works(watched)?;
        harness.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn releasing_another_token_is_refused<F: WakeFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let (waker, token) = harness.waker()?;
    let watched = harness.reader()?;
    let stale = Token::new(u32::try_from(token.index()).unwrap_or(0), token.generation() + 1);
    for other in [watched.token, stale] {
        match harness.platform().release_waker(other) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                Err(error).ability("way to give a waker back")?;
            }
            refused => refused.must_fail(
                "giving back a waker under another token",
                &[ErrorKind::NotRegistered, ErrorKind::Stale],
            )?,
        }
    }
    harness.wake(&waker)?;
    harness.expect(token, Readiness::READABLE)?;
    harness.still_works(watched)
}
