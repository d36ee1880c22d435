//! The loop by itself: tokens, deadlines, wakes and counters, with a handler that writes down what
//! it is told.

use selkie_core::counters::LoopCounters;
use selkie_core::memory::StaticLoop;
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{
    Error, ErrorKind, Event, EventLoop, Handler, Instant, Interest, Mode, Readiness, Token,
};

/// A platform that reports what the test has put into its batches, and sleeps by moving its clock.
#[derive(Debug, Default)]
struct Plan {
    batches: Vec<Vec<Token>>,
    clock: Instant,
    clock_reads: usize,
    modified: usize,
    has_waker: bool,
}

impl Selector for Plan {
    type Source = ();

    fn register(
        &mut self,
        (): (),
        _token: Token,
        interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        if interest.contains(Interest::PRIORITY) {
            Err(Error::new(ErrorKind::Unsupported))
        } else {
            Ok(())
        }
    }

    fn modify(
        &mut self,
        (): (),
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.modified += 1;
        Ok(())
    }

    fn deregister(&mut self, (): (), _token: Token) -> Result<(), Error> {
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        let batch = self.batches.pop().unwrap_or_default();
        for token in batch {
            let _ = events.push(Event { token, readiness: Readiness::READABLE });
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        4
    }
}

impl Wait for Plan {
    fn now(&mut self) -> Instant {
        self.clock_reads += 1;
        self.clock
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.poll(self.clock, events)?;
        match deadline {
            Some(deadline) => self.clock = self.clock.max(deadline),
            None if events.is_empty() => return Err(Error::new(ErrorKind::NothingToWaitFor)),
            None => {}
        }
        Ok(())
    }
}

impl Wake for Plan {
    type Waker = ();

    fn waker(&mut self, _token: Token) -> Result<(), Error> {
        if self.has_waker {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        self.has_waker = true;
        Ok(())
    }

    fn release_waker(&mut self, _token: Token) -> Result<(), Error> {
        self.has_waker = false;
        Ok(())
    }
}

/// A handler that records its calls.
#[derive(Default)]
struct Log {
    ready: Vec<Token>,
    expired: Vec<Token>,
    /// Deregistered by the first event of any batch.
    doomed: Option<Token>,
}

impl Handler<Plan> for Log {
    fn ready(&mut self, context: &mut selkie_core::Context<'_, Plan>, event: Event) {
        self.ready.push(event.token);
        if let Some(token) = self.doomed.take() {
            context.deregister((), token).unwrap();
        }
    }

    fn expired(&mut self, context: &mut selkie_core::Context<'_, Plan>, token: Token) {
        self.expired.push(token);
        context.stop();
    }
}

/// Runs a test with a loop of three slots and batches of two.
fn with_loop(test: impl FnOnce(&mut EventLoop<Plan, StaticLoop<3, 2>>, &mut Log)) {
    let memory = StaticLoop::<3, 2>::new();
    test(&mut EventLoop::new(Plan::default(), memory), &mut Log::default());
}

fn register(event_loop: &mut EventLoop<Plan, StaticLoop<3, 2>>) -> Token {
    event_loop.context().register((), Interest::READABLE, Mode::Level).unwrap()
}

const fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

const STALE: Error = Error::new(ErrorKind::Stale);

#[test]
fn a_deadline_is_kept_replaced_and_forgotten() {
    with_loop(|event_loop, log| {
        let token = register(event_loop);
        event_loop.context().set_timer(token, at(10)).unwrap();
        event_loop.context().set_timer_earlier(token, at(20)).unwrap();
        assert_eq!(event_loop.turn(at(0), log), Ok(Some(at(10))));
        event_loop.context().set_timer(token, at(30)).unwrap();
        assert_eq!(event_loop.turn(at(29), log), Ok(Some(at(30))));
        event_loop.context().set_timer_earlier(token, at(29)).unwrap();
        event_loop.turn(at(29), log).unwrap();
        assert_eq!(log.expired, [token]);
        event_loop.context().set_timer(token, at(40)).unwrap();
        assert!(event_loop.context().cancel_timer(token));
        assert!(!event_loop.context().cancel_timer(token), "there is none any more");
        assert_eq!(event_loop.turn(at(50), log), Ok(None));
        assert_eq!(log.expired, [token]);
    });
}

#[test]
fn a_stale_token_reaches_nothing_of_the_tenant_after_it() {
    with_loop(|event_loop, log| {
        let stale = register(event_loop);
        event_loop.context().deregister((), stale).unwrap();
        let tenant = register(event_loop);
        assert_eq!(stale.index(), tenant.index());
        event_loop.context().set_timer(tenant, at(10)).unwrap();
        assert!(!event_loop.context().cancel_timer(stale));
        assert_eq!(event_loop.context().set_timer(stale, at(5)), Err(STALE));
        assert_eq!(event_loop.context().set_timer_earlier(stale, at(5)), Err(STALE));
        assert_eq!(event_loop.context().modify((), stale, Interest::NONE, Mode::Level), Err(STALE));
        assert_eq!(event_loop.context().release(stale), Err(STALE));
        assert_eq!(event_loop.platform.modified, 0);
        assert_eq!(
            event_loop.turn(at(0), log),
            Ok(Some(at(10))),
            "the tenant's deadline is as it was"
        );
        event_loop.context().modify((), tenant, Interest::NONE, Mode::Level).unwrap();
        assert_eq!(event_loop.platform.modified, 1);
    });
}

#[test]
fn what_cannot_be_had_costs_no_slot() {
    with_loop(|event_loop, _| {
        let context = &mut event_loop.context();
        assert_eq!(
            context.register((), Interest::PRIORITY, Mode::Level).map_err(Error::kind),
            Err(ErrorKind::Unsupported)
        );
        let (waker, ()) = context.waker().unwrap();
        assert!(context.contains(waker));
        assert_eq!(context.waker().map_err(Error::kind), Err(ErrorKind::AlreadyRegistered));
        assert_eq!(context.registry().len(), 1);
        let token = context.issue().unwrap();
        assert!(context.contains(token) && token != waker);
        context.release(token).unwrap();
        assert_eq!(context.registry().len(), 1);
    });
}

#[test]
fn everything_is_counted() {
    with_loop(|event_loop, log| {
        let (one, other, late) = (register(event_loop), register(event_loop), register(event_loop));
        // The last batch comes first.
        event_loop.platform.batches = vec![vec![other], vec![one, other], vec![one, late]];
        event_loop.context().set_timer(late, at(5)).unwrap();
        log.doomed = Some(late);
        event_loop.turn(at(1), log).unwrap();
        log.doomed = Some(other);
        event_loop.turn(at(1), log).unwrap();
        event_loop.turn(at(1), log).unwrap();
        assert_eq!(log.ready, [one, one], "an event for a source that is gone is dropped");
        event_loop.context().set_timer(one, at(7)).unwrap();
        let issued = [event_loop.context().issue().unwrap(), event_loop.context().issue().unwrap()];
        for token in issued {
            event_loop.context().set_timer(token, at(8)).unwrap();
        }
        assert_eq!(event_loop.turn(at(9), log), Ok(Some(at(9))));
        assert_eq!(log.expired.len(), 2, "no more deadlines in one turn than the batch holds");
        for _ in 0..3 {
            event_loop.turn(at(9), log).unwrap();
        }
        assert_eq!(log.expired.len(), 3);
        let LoopCounters { turns, turns_idle, events, events_stale, deadlines, .. } =
            event_loop.counters();
        assert_eq!((turns, turns_idle), (7, 2));
        assert_eq!((events, events_stale, deadlines), (5, 3, 3));
    });
}

#[test]
fn running_goes_on_until_it_is_stopped() {
    with_loop(|event_loop, log| {
        let token = register(event_loop);
        event_loop.platform.clock = at(100);
        event_loop.platform.batches = vec![vec![token], vec![token]];
        event_loop.run_once(log).unwrap();
        assert_eq!(
            event_loop.platform.clock_reads, 0,
            "it was not asked for, and there is no deadline"
        );
        let mut context = event_loop.context();
        assert_eq!((context.turn_time(), context.turn_time()), (at(100), at(100)));
        assert_eq!(context.platform.clock_reads, 1);
        event_loop.context().set_timer(token, at(150)).unwrap();
        assert!(!event_loop.is_stopped());
        event_loop.run(log).unwrap();
        assert!(event_loop.is_stopped());
        assert_eq!((log.ready.len(), log.expired.len()), (2, 1));
        assert_eq!(event_loop.run_once(log), Err(Error::new(ErrorKind::NothingToWaitFor)));
    });
}

#[test]
fn time_never_goes_back() {
    with_loop(|event_loop, log| {
        event_loop.turn(at(50), log).unwrap();
        event_loop.turn(at(40), log).unwrap();
        assert_eq!(event_loop.context().now(), at(50));
    });
}

#[test]
fn a_loop_that_was_stopped_runs_again() {
    with_loop(|event_loop, log| {
        let token = register(event_loop);
        for round in 1..=3 {
            event_loop.context().set_timer(token, at(10 * round)).unwrap();
            event_loop.run(log).unwrap();
            assert_eq!(log.expired.len() as u64, round);
            assert!(event_loop.is_stopped(), "until it runs again");
        }
        event_loop.context().stop();
        event_loop.run(log).unwrap();
        assert_eq!(log.expired.len(), 3, "a stop before the first turn ends the run");
    });
}

#[test]
fn the_token_of_the_waker_is_taken_back_only_with_the_waker() {
    with_loop(|event_loop, _| {
        let mut context = event_loop.context();
        let (waker, ()) = context.waker().unwrap();
        let refused = Err(ErrorKind::InvalidInput.into());
        assert_eq!(context.release(waker), refused);
        assert_eq!(context.deregister((), waker), refused);
        assert!(context.contains(waker), "its slot is not issued again");
        context.release_waker(waker).unwrap();
        assert!(!context.contains(waker));
        assert_eq!(context.release_waker(waker), Err(STALE));
        let (again, ()) = context.waker().unwrap();
        assert_ne!(again, waker);
    });
}

#[test]
fn a_function_builds_a_loop_with_its_memory_and_returns_it() {
    fn build(slots: &mut usize) -> (EventLoop<Plan, StaticLoop<3, 2>>, Token) {
        let mut event_loop = EventLoop::new(Plan::default(), StaticLoop::new());
        let token = event_loop.context().register((), Interest::READABLE, Mode::Level).unwrap();
        *slots = event_loop.context().registry().capacity();
        (event_loop, token)
    }
    let mut slots = 0;
    let (mut event_loop, token) = build(&mut slots);
    event_loop.platform.batches = vec![vec![token]];
    let mut log = Log::default();
    event_loop.turn(at(0), &mut log).unwrap();
    assert_eq!((slots, log.ready), (3, vec![token]));
}

#[test]
fn the_counts_of_two_loops_are_added_one_by_one() {
    fn counts(first: u64) -> LoopCounters {
        let mut counters = LoopCounters::default();
        counters.turns = first;
        counters.turns_idle = first + 1;
        counters.events = first + 2;
        counters.events_stale = first + 3;
        counters.deadlines = first + 4;
        counters
    }
    let mut sum = counts(10);
    sum += counts(100);
    let all = [sum.turns, sum.turns_idle, sum.events, sum.events_stale, sum.deadlines];
    assert_eq!(all, [110, 112, 114, 116, 118]);
}
