//! `Pair` with a first platform that sleeps: it sleeps for both.

use core::time::Duration;

use selkie_core::adapters::{Either, Pair};
use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Readiness, Token};

/// The token of the first platform, and that of the second.
const TOKENS: [Token; 2] = [Token::new(0, 1), Token::new(1, 1)];

const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A platform with one source, which is ready from a point in time on, and a clock that moves while
/// it sleeps.
#[derive(Default)]
struct Toy {
    index: usize,
    now: Instant,
    is_registered: bool,
    ready_at: Option<Instant>,
    /// A sleep ends then without an event, as after a signal.
    signal_at: Option<Instant>,
    next_deadline: Option<Instant>,
    sleeps: Vec<Option<Instant>>,
}

impl Selector for Toy {
    type Source = ();

    fn register(&mut self, (): (), _: Token, _: Interest, _: Mode) -> Result<(), Error> {
        self.is_registered = true;
        Ok(())
    }

    fn modify(&mut self, (): (), _: Token, _: Interest, _: Mode) -> Result<(), Error> {
        Ok(())
    }

    fn deregister(&mut self, (): (), _: Token) -> Result<(), Error> {
        self.is_registered = false;
        Ok(())
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        if self.is_registered && self.ready_at.is_some_and(|ready| ready <= now) {
            let token = TOKENS[self.index];
            let _ = events.push(Event { token, readiness: Readiness::READABLE });
        }
        Ok(())
    }

    fn next_deadline(&mut self, _now: Instant) -> Option<Instant> {
        self.next_deadline
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::WAKER
    }

    fn capacity(&self) -> usize {
        2
    }
}

impl Wait for Toy {
    fn now(&mut self) -> Instant {
        self.now
    }

    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.sleeps.push(deadline);
        let ready = self.ready_at.filter(|_| self.is_registered);
        let end = Instant::earlier(Instant::earlier(ready, deadline), self.signal_at.take());
        let end = end.ok_or(Error::new(ErrorKind::NothingToWaitFor))?;
        self.now = self.now.max(end);
        self.poll(self.now, events)
    }
}

impl Wake for Toy {
    type Waker = usize;

    fn waker(&mut self, token: Token) -> Result<usize, Error> {
        Ok(token.index())
    }

    fn release_waker(&mut self, _token: Token) -> Result<(), Error> {
        Ok(())
    }
}

/// Returns a pair whose sources are ready at these times, if they are registered.
fn pair(ready_at: [Option<Instant>; 2]) -> Pair<Toy, Toy> {
    let [first, second] =
        [0, 1].map(|index| Toy { index, ready_at: ready_at[index], ..Toy::default() });
    let mut pair = Pair::new(first, second);
    for (index, source) in [Either::First(()), Either::Second(())].into_iter().enumerate() {
        if ready_at[index].is_some() {
            pair.register(source, TOKENS[index], Interest::READABLE, Mode::Level).unwrap();
        }
    }
    pair
}

/// Waits, and returns the indices of the tokens and the time.
fn wait(pair: &mut Pair<Toy, Toy>, deadline: Option<Instant>) -> (Vec<usize>, Instant) {
    let mut slots = [Event::EMPTY; 4];
    let mut events = Events::new(&mut slots);
    pair.wait(&mut events, deadline).unwrap();
    (events.iter().map(|event| event.token.index()).collect(), pair.now())
}

#[test]
fn without_sources_of_the_second_the_first_sleeps_once_as_long_as_it_was_asked_to() {
    let mut pair = pair([Some(at(70)), None]);
    assert_eq!(wait(&mut pair, Some(at(50))), (vec![], at(50)));
    assert_eq!(pair.first.sleeps, [Some(at(50))]);
    assert_eq!(wait(&mut pair, None), (vec![0], at(70)));
    pair.deregister(Either::First(()), TOKENS[0]).unwrap();
    let nothing = pair.wait(&mut Events::new(&mut [Event::EMPTY]), None);
    assert_eq!(nothing, Err(ErrorKind::NothingToWaitFor.into()));
}

#[test]
fn a_source_of_the_second_is_reported_an_interval_after_it_is_ready_at_the_latest() {
    let mut pair = pair([Some(at(500)), Some(at(33))]).poll_every(Duration::from_millis(10));
    assert_eq!(wait(&mut pair, Some(at(100))), (vec![1], at(40)));
    assert_eq!(wait(&mut pair, None), (vec![1], at(40)), "it stays ready");
    pair.deregister(Either::Second(()), TOKENS[1]).unwrap();
    assert_eq!(wait(&mut pair, None), (vec![0], at(500)));
    assert_eq!(pair.first.sleeps.len(), 5, "four intervals, and one sleep without");
}

#[test]
fn a_deadline_of_the_second_ends_the_sleep_and_not_the_wait() {
    let mut pair = pair([Some(at(500)), None]);
    pair.second.next_deadline = Some(at(20));
    pair.second.ready_at = Some(at(20));
    pair.second.is_registered = true;
    assert_eq!(wait(&mut pair, None), (vec![1], at(20)));
    assert_eq!(pair.first.sleeps, [Some(at(20))]);
}

#[test]
fn what_the_first_is_woken_by_ends_the_sleep_for_both_without_an_interval() {
    // The source of the first is the device of the second.
    let mut pair = pair([Some(at(33)), Some(at(33))]).woken_by_first();
    assert_eq!(wait(&mut pair, None), (vec![0], at(33)));
    assert_eq!(pair.first.sleeps, [None]);
    let (mut both, _) = wait(&mut pair, None);
    both.sort_unstable();
    assert_eq!(both, [0, 1]);
}

#[test]
fn a_wait_that_a_signal_ends_is_not_resumed() {
    let mut pair = pair([Some(at(500)), Some(at(500))]).woken_by_first();
    pair.first.signal_at = Some(at(5));
    assert_eq!(wait(&mut pair, Some(at(100))), (vec![], at(5)));
}

#[test]
fn the_waker_is_that_of_the_first() {
    let mut pair = pair([None, None]);
    assert!(pair.capabilities().contains(Capabilities::WAKER));
    assert_eq!(pair.waker(TOKENS[1]), Ok(1));
    assert_eq!(pair.release_waker(TOKENS[1]), Ok(()));
}

#[test]
fn a_wait_that_has_no_room_returns_at_once() {
    let mut pair = pair([Some(at(500)), Some(at(500))]);
    let mut slots = [Event::EMPTY];
    let mut events = Events::new(&mut slots);
    events.push(Event { token: TOKENS[0], readiness: Readiness::READABLE }).unwrap();
    pair.wait(&mut events, None).unwrap();
    assert_eq!(pair.first.sleeps, []);
}
