//! Waking: wakes are reported under the waker's token, together, and once.

use selkie_core::{
    Capabilities, ErrorKind, Event, Events, Interest, Mode, Readiness, Selector, Token, Wake,
};

use crate::fixture::WakerOf;
use crate::outcome::{Answer, Check, ensure};
use crate::stage::Stage;
use crate::{Make, WakeFixture};

impl<F: WakeFixture> Stage<F> {
    /// A waker, and the token that its wakes are reported under.
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

/// What is said of a wake that is reported after it was over.
const OVER: &str = "though its wake was reported already";

pub(crate) fn a_waker_is_a_capability<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    ensure!(
        stage.can(Capabilities::WAKER),
        "a platform with a waker does not claim the capability"
    );
    let (_waker, token) = stage.waker()?;
    stage.expect_silence(token, "and nobody woke")
}

pub(crate) fn a_wake_is_reported_under_its_token<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    let (waker, token) = stage.waker()?;
    stage.wake(&waker)?;
    let seen = stage.expect(token, Readiness::READABLE)?;
    ensure!(seen == Readiness::READABLE, "a wake was reported {seen:?}");
    stage.expect_calm(watched.token, Readiness::READABLE, "and nothing was sent to it")
}

pub(crate) fn wakes_coalesce<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    for _ in 0..100 {
        stage.wake(&waker)?;
    }
    stage.expect(token, Readiness::READABLE)?;
    stage.expect_silence(token, OVER)
}

pub(crate) fn a_reported_wake_is_over<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    stage.expect_silence(token, OVER)
}

pub(crate) fn a_wake_after_a_report_is_another<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    for _ in 0..100 {
        stage.wake(&waker)?;
        stage.expect(token, Readiness::READABLE)?;
    }
    stage.expect_silence(token, OVER)
}

pub(crate) fn very_many_wakes_do_not_block<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    // More than a pipe holds, whose default is 64 KiB.
    for _ in 0..70_000 {
        stage.wake(&waker)?;
    }
    stage.expect(token, Readiness::READABLE)?;
    stage.expect_silence(token, OVER)?;
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn a_second_waker_is_refused<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let (waker, token) = stage.waker()?;
    let second = stage.token()?;
    for another in [second, token] {
        let refused = stage.platform().waker(another).map(|_| ());
        refused.must_fail("making a second waker", &[ErrorKind::AlreadyRegistered])?;
    }
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    stage.expect_silence(second, "though its waker was refused")?;
    let (source, _) = stage.pair()?;
    let platform = stage.platform();
    platform
        .register(source, second, Interest::READABLE, Mode::Level)
        .must("using the token after a refusal")
}

pub(crate) fn a_taken_token_is_refused<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    let refused = stage.platform().waker(watched.token).map(|_| ());
    refused
        .must_fail("making a waker with the token of a source", &[ErrorKind::AlreadyRegistered])?;
    stage.still_works(watched)?;
    let (waker, token) = stage.waker()?;
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    stage.still_works(watched)
}

pub(crate) fn a_token_beyond_the_capacity_is_refused<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let beyond = Token::new(u32::try_from(stage.platform().capacity()).unwrap_or(u32::MAX), 1);
    let refused = stage.platform().waker(beyond).map(|_| ());
    refused.must_fail("making a waker beyond the capacity", &[ErrorKind::Full])?;
    let (waker, token) = stage.waker()?;
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn the_token_of_a_waker_takes_no_source<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    let (source, peer) = stage.pair()?;
    let refused = stage.platform().register(source, token, Interest::READABLE, Mode::Level);
    refused.must_fail("registering under the token of a waker", &[ErrorKind::AlreadyRegistered])?;
    stage.send(peer, b"x")?;
    stage.expect_silence(token, "and nobody woke")?;
    stage.wake(&waker)?;
    stage.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn a_wake_comes_beside_events<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = stage.reader()?;
    let (waker, token) = stage.waker()?;
    for _ in 0..3 {
        stage.send(watched.peer, b"x")?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.wake(&waker)?;
        stage.expect(token, Readiness::READABLE)?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.read_exactly(watched.source, 1)?;
        stage.expect_silence(token, OVER)?;
        stage.still_works(watched)?;
    }
    Ok(())
}

/// Two hot sources and a waker, polled through a batch of one.
struct Crowd<F: WakeFixture> {
    stage: Stage<F>,
    waker: WakerOf<F>,
    token: Token,
}

impl<F: WakeFixture> Crowd<F> {
    fn new(make: Make<'_, F>) -> Check<Self> {
        let mut stage = Stage::new(make, 4)?;
        for _ in 0..2 {
            let hot = stage.reader()?;
            stage.send(hot.peer, b"x")?;
            stage.expect(hot.token, Readiness::READABLE)?;
        }
        let (waker, token) = stage.waker()?;
        Ok(Self { stage, waker, token })
    }

    /// The token that comes through a batch of one.
    fn one(&mut self) -> Check<Token> {
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        self.stage.poll(&mut events)?;
        ensure!(events.len() == 1, "two sources stay ready, and a poll reported nothing");
        Ok(events.as_slice()[0].token)
    }
}

pub(crate) fn a_wake_is_not_starved<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut crowd = Crowd::new(make)?;
    for _ in 0..5 {
        crowd.stage.wake(&crowd.waker)?;
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

pub(crate) fn events_are_not_starved_by_wakes<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut crowd = Crowd::new(make)?;
    let mut events = 0;
    for _ in 0..30 {
        crowd.stage.wake(&crowd.waker)?;
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

pub(crate) fn a_wake_beyond_the_batch_comes_later<F: WakeFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (waker, token) = stage.waker()?;
    let mut slots = [Event::EMPTY; 1];
    let mut events = Events::new(&mut slots);
    let foreign = Event { token: Token::new(u32::MAX, u32::MAX), readiness: Readiness::PRIORITY };
    ensure!(events.push(foreign).is_ok(), "a batch has no room left");
    stage.wake(&waker)?;
    stage.poll(&mut events)?;
    ensure!(events.as_slice() == [foreign], "a poll changed a full batch");
    stage.expect(token, Readiness::READABLE)?;
    stage.expect_silence(token, OVER)
}
