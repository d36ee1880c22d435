//! The promises of the loop about time, on a platform whose clock the test moves.

use core::time::Duration;

use selkie_core::memory::StaticLoop;
use selkie_core::platform::{Capabilities, Events, Selector, Wait};
use selkie_core::{
    Context, Error, Event, EventLoop, Handler, Instant, Interest, Mode, Readiness, Token,
};

const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A platform with a clock, and sources that are ready until their bytes are taken.
#[derive(Debug, Default)]
struct Host {
    clock: Instant,
    ready: Vec<Token>,
    /// Passes in the next wait, after it has looked at the sources: the process is stopped.
    stopped_for: Duration,
    /// Becomes ready while the process is stopped.
    sender: Option<Token>,
    /// Passes before every wait.
    pace: Duration,
    /// A wait without events returns before its deadline.
    ends_early: bool,
    waits: usize,
    polls: usize,
}

impl Selector for Host {
    type Source = ();

    fn register(&mut self, (): (), _: Token, _: Interest, _: Mode) -> Result<(), Error> {
        Ok(())
    }

    fn modify(&mut self, (): (), _: Token, _: Interest, _: Mode) -> Result<(), Error> {
        Ok(())
    }

    fn deregister(&mut self, (): (), _: Token) -> Result<(), Error> {
        Ok(())
    }

    fn poll(&mut self, _: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.polls += 1;
        for &token in &self.ready {
            let _ = events.push(Event { token, readiness: Readiness::READABLE });
        }
        // What was reported goes to the end, so that each has its turn.
        self.ready.rotate_left(events.len());
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        8
    }
}

impl Wait for Host {
    fn now(&mut self) -> Instant {
        self.clock
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.waits += 1;
        self.clock = self.clock + self.pace;
        self.poll(self.clock, events)?;
        if events.is_empty() && !self.ends_early {
            self.clock = self.clock.max(deadline.unwrap_or(self.clock));
        }
        if self.stopped_for > Duration::ZERO {
            self.clock = self.clock + core::mem::take(&mut self.stopped_for);
            self.ready.extend(self.sender.take());
        }
        Ok(())
    }
}

/// Writes down what it is called with, and acts as the test wants.
#[derive(Default)]
struct Log {
    calls: Vec<(&'static str, Token)>,
    expired_at: Vec<Instant>,
    /// Sets each expired deadline again, at this time.
    again: Option<Instant>,
    /// A callback takes so long, and then sets a deadline this much later.
    slow: Option<(Duration, Duration)>,
    /// Takes the bytes of sources that are ready.
    takes: bool,
}

impl Handler<Host> for Log {
    fn ready(&mut self, context: &mut Context<'_, Host>, event: Event) {
        self.calls.push(("ready", event.token));
        if self.takes {
            context.platform.ready.retain(|token| *token != event.token);
        }
        if let Some((duration, delay)) = self.slow.take() {
            context.turn_time();
            context.platform.clock = context.platform.clock + duration;
            let deadline = context.now() + delay;
            context.set_timer(event.token, deadline).unwrap();
        }
    }

    fn expired(&mut self, context: &mut Context<'_, Host>, token: Token) {
        self.calls.push(("expired", token));
        self.expired_at.push(context.now());
        if let Some(deadline) = self.again {
            context.set_timer(token, deadline).unwrap();
        }
        if self.calls.len() > 10_000 {
            context.stop();
        }
    }
}

type Loop<const BATCH: usize> = EventLoop<Host, StaticLoop<8, BATCH>>;

/// Makes a loop with `COUNT` tokens.
fn loop_of<const COUNT: usize, const BATCH: usize>() -> (Loop<BATCH>, [Token; COUNT], Log) {
    let mut event_loop = Loop::<BATCH>::new(Host::default(), StaticLoop::new());
    let tokens = [(); COUNT]
        .map(|()| event_loop.context().register((), Interest::READABLE, Mode::Level).unwrap());
    (event_loop, tokens, Log { takes: true, ..Log::default() })
}

#[test]
fn tokens_that_are_armed_in_the_past_again_and_again_all_have_their_turn() {
    fn check<const COUNT: usize, const BATCH: usize>(first: impl Fn(usize) -> Instant) {
        let (mut event_loop, tokens, mut log) = loop_of::<COUNT, BATCH>();
        log.again = Some(Instant::ZERO);
        for (number, token) in tokens.into_iter().enumerate() {
            event_loop.context().set_timer(token, first(number)).unwrap();
        }
        for _ in 0..1_000 {
            event_loop.turn(at(10), &mut log).unwrap();
        }
        let counts = tokens.map(|token| log.calls.iter().filter(|call| call.1 == token).count());
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1 && *least >= 333, "{counts:?}");
    }
    check::<3, 1>(|_| Instant::ZERO);
    check::<3, 1>(|number| at(number as u64));
    check::<8, 16>(|_| Instant::ZERO);
    check::<8, 16>(|number| at(number as u64));
}

#[test]
fn equal_deadlines_expire_in_the_order_in_which_they_were_set() {
    let (mut event_loop, tokens, mut log) = loop_of::<6, 8>();
    let order = [4, 1, 5, 0, 3, 2].map(|number: usize| tokens[number]);
    for token in order {
        event_loop.context().set_timer(token, at(10)).unwrap();
    }
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls, order.map(|token| ("expired", token)));
}

#[test]
fn a_deadline_that_is_set_while_deadlines_expire_waits_for_the_next_turn() {
    let (mut event_loop, [token], mut log) = loop_of::<1, 8>();
    log.again = Some(Instant::ZERO);
    event_loop.context().set_timer(token, at(1)).unwrap();
    for turn in 1..=5 {
        assert_eq!(event_loop.turn(at(1), &mut log), Ok(Some(at(1))), "more is due at once");
        assert_eq!(log.calls.len(), turn);
    }
}

#[test]
fn a_delay_is_counted_from_the_call_outside_of_a_turn_and_after_a_slow_callback() {
    let (mut event_loop, [token, other], mut log) = loop_of::<2, 8>();
    // Long after the platform was made, before the first turn.
    event_loop.platform.clock = at(1_000);
    let deadline = event_loop.context().now() + millis(500);
    event_loop.context().set_timer(token, deadline).unwrap();
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.expired_at, [at(1_500)]);
    // Long after the last turn.
    event_loop.platform.clock = at(3_000);
    let deadline = event_loop.context().turn_time() + millis(500);
    event_loop.context().set_timer(token, deadline).unwrap();
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.expired_at[1..], [at(3_500)]);
    // At the end of a callback that took 800 ms.
    log.slow = Some((millis(800), millis(500)));
    event_loop.platform.ready = vec![other];
    while log.expired_at.len() < 3 {
        event_loop.run_once(&mut log).unwrap();
    }
    assert_eq!(log.expired_at[2..], [at(4_800)]);
}

#[test]
fn without_a_clock_time_is_given_to_the_constructor_and_to_the_calls() {
    let mut event_loop = EventLoop::new_at(Host::default(), StaticLoop::<1, 1>::new(), at(7));
    assert_eq!(event_loop.context().now(), at(7));
    let mut context = event_loop.context_at(at(1_000));
    let token = context.issue().unwrap();
    let deadline = context.now() + millis(500);
    context.set_timer(token, deadline).unwrap();
    let mut log = Log::default();
    assert_eq!(event_loop.turn(at(1_400), &mut log), Ok(Some(at(1_500))));
    assert_eq!(event_loop.context().now(), at(1_400));
    event_loop.turn(at(1_500), &mut log).unwrap();
    assert_eq!(log.expired_at, [at(1_500)]);
}

#[test]
fn who_sent_while_the_process_was_stopped_is_served_before_the_deadline_expires() {
    // The wait ends empty at the deadline, and the process is stopped before the clock is read.
    let (mut event_loop, [token], mut log) = loop_of::<1, 4>();
    event_loop.context().set_timer(token, at(2_000)).unwrap();
    (event_loop.platform.stopped_for, event_loop.platform.sender) = (millis(3_000), Some(token));
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls, [("ready", token), ("expired", token)]);

    // The same where the wait has events of another source.
    let (mut event_loop, [token, other], mut log) = loop_of::<2, 4>();
    event_loop.context().set_timer(token, at(2_000)).unwrap();
    event_loop.platform.ready = vec![other];
    (event_loop.platform.stopped_for, event_loop.platform.sender) = (millis(3_000), Some(token));
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls, [("ready", other)]);
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls[1..], [("ready", token), ("expired", token)]);
}

#[test]
fn who_sent_during_a_slow_callback_is_served_before_the_deadline_expires() {
    let (mut event_loop, [token, other], mut log) = loop_of::<2, 4>();
    event_loop.context().set_timer(token, at(100)).unwrap();
    log.slow = Some((millis(800), millis(9_000)));
    event_loop.platform.ready = vec![other];
    event_loop.run_once(&mut log).unwrap();
    event_loop.platform.ready = vec![token];
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls, [("ready", other), ("ready", token), ("expired", token)]);
}

#[test]
fn full_batches_put_deadlines_off_until_every_source_could_be_reported_and_no_longer() {
    let (mut event_loop, tokens, mut log) = loop_of::<8, 3>();
    log.takes = false;
    event_loop.platform.ready = tokens.to_vec();
    event_loop.platform.pace = millis(1);
    event_loop.context().set_timer(tokens[0], Instant::ZERO).unwrap();
    let turns = (1..).take_while(|_| {
        event_loop.run_once(&mut log).unwrap();
        log.expired_at.is_empty()
    });
    // Eight slots in batches of three: three waits.
    assert_eq!(turns.count() + 1, 3);
    let reported = tokens.iter().filter(|token| log.calls.contains(&("ready", **token)));
    assert_eq!(reported.count(), 8, "who was ready is served before");
}

#[test]
fn a_deadline_that_passes_within_full_batches_waits_for_less_than_two_rounds_of_them() {
    let (mut event_loop, tokens, mut log) = loop_of::<8, 3>();
    log.takes = false;
    event_loop.platform.ready = tokens.to_vec();
    event_loop.platform.pace = millis(1);
    // One for each wait, so each place in a round of three has one.
    for (step, &token) in tokens.iter().enumerate() {
        event_loop.context().set_timer(token, Instant::from_millis(step as u64)).unwrap();
    }
    while log.expired_at.len() < tokens.len() {
        event_loop.run_once(&mut log).unwrap();
    }
    let waited = log.expired_at.iter().zip(0..).map(|(&at, set)| at - Instant::from_millis(set));
    // Each wait takes a millisecond.
    assert!(waited.clone().all(|waited| waited <= millis(2 * 3 - 1)), "{:?}", log.expired_at);
    assert!(waited.clone().all(|waited| waited >= millis(3)), "all sources were looked at");
}

#[test]
fn a_batch_with_room_left_judges_deadlines_at_once() {
    let (mut event_loop, tokens, mut log) = loop_of::<8, 3>();
    event_loop.platform.ready = tokens[..2].to_vec();
    event_loop.context().set_timer(tokens[7], Instant::ZERO).unwrap();
    event_loop.run_once(&mut log).unwrap();
    assert_eq!(log.calls.last(), Some(&("expired", tokens[7])));
}

#[test]
fn full_batches_before_a_deadline_do_not_put_it_off() {
    for start in 0..3 {
        let (mut event_loop, tokens, mut log) = loop_of::<8, 3>();
        log.takes = false;
        event_loop.platform.ready = tokens.to_vec();
        event_loop.platform.pace = millis(1);
        event_loop.context().set_timer(tokens[0], at(10 + start)).unwrap();
        while log.expired_at.is_empty() {
            event_loop.run_once(&mut log).unwrap();
        }
        assert_eq!(log.expired_at, [at(10 + start) + millis(3)], "three waits for eight slots");
    }
}

#[test]
fn a_wait_that_ends_early_and_empty_is_one_look() {
    let (mut event_loop, [token], mut log) = loop_of::<1, 4>();
    event_loop.context().set_timer(token, at(2_000)).unwrap();
    event_loop.platform.ends_early = true;
    event_loop.run_once(&mut log).unwrap();
    assert_eq!((event_loop.platform.waits, event_loop.platform.polls), (1, 1));
    let counters = event_loop.counters();
    assert_eq!((counters.turns, counters.turns_idle, counters.deadlines), (1, 1, 0));
}

#[test]
fn an_empty_wait_of_a_loop_without_deadlines_is_an_idle_turn() {
    let (mut event_loop, [token], mut log) = loop_of::<1, 4>();
    event_loop.run_once(&mut log).unwrap();
    let counters = event_loop.counters();
    assert_eq!((counters.turns, counters.turns_idle), (1, 1));
    event_loop.platform.ready = vec![token];
    event_loop.run_once(&mut log).unwrap();
    let counters = event_loop.counters();
    assert_eq!((counters.turns, counters.turns_idle), (2, 1));
}
