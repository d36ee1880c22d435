//! A handler that does what the fuzzer likes, and holds the loop to its promises meanwhile.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use selkie_core::platform::Selector;
use selkie_core::{Context, ErrorKind, Event, Handler, Instant, Interest, Mode, Token};

use crate::choices::Choices;

/// A deadline, and what the loop has done since it was set.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    /// The round in which it was set.
    set_in: u64,
    /// Looks that followed it, each of which filled its batch.
    full_looks: usize,
}

/// A round of the loop, as the driver sees it.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The latest time that the loop knew when the round began.
    pub began_at: Instant,
    /// The most events, and the most deadlines, of a round.
    pub batch: usize,
    /// Full batches in a row that make up one look at all sources.
    pub looks: usize,
}

/// The handler, and what is to be expected of the loop.
#[derive(Debug)]
pub struct Driver<S> {
    choices: Choices,
    sources: Vec<S>,
    /// The tokens that are live, and the deadline of each.
    live: HashMap<Token, Option<Deadline>>,
    /// Every token that was ever issued, in order, with its source if it has one.
    issued: Vec<(Token, Option<S>)>,
    /// Number of events that were delivered.
    delivered: u64,
    /// Number of deadlines that have expired.
    expired: u64,
    /// Rounds that were checked.
    rounds: u64,
    /// Events and expired deadlines of the rounds before this one.
    before: (u64, u64),
    /// The latest time that was known when the last look began.
    looked_at: Rc<Cell<Instant>>,
}

/// Maximum number of operations in each call of the handler.
const DEEDS_MAX: usize = 4;

impl<S: Copy> Driver<S> {
    /// Makes a handler that chooses from `choices` and registers `sources`. The platform keeps in
    /// `looked_at` the latest time that was known when it began to look at its sources.
    #[must_use]
    pub fn new(choices: Choices, sources: Vec<S>, looked_at: Rc<Cell<Instant>>) -> Self {
        Self {
            choices,
            sources,
            live: HashMap::new(),
            issued: Vec::new(),
            delivered: 0,
            expired: 0,
            rounds: 0,
            before: (0, 0),
            looked_at,
        }
    }

    /// Records that a platform that does not do so itself is about to look at its sources.
    pub fn looked(&self, at: Instant) {
        self.looked_at.set(at);
    }

    fn interest(&self) -> Interest {
        Interest::from_bits(self.choices.byte())
    }

    fn mode(&self) -> Mode {
        [Mode::Level, Mode::Oneshot, Mode::Edge][self.choices.below(3)]
    }

    /// Returns an early point in time, or the last one.
    #[must_use]
    pub fn time(&self) -> Instant {
        Instant::from_nanos(if self.choices.below(16) == 15 {
            u64::MAX
        } else {
            self.choices.byte().into()
        })
    }

    fn note_issued(&mut self, token: Token, source: Option<S>) {
        assert!(
            self.issued.iter().all(|(issued, _)| *issued != token),
            "{token:?} was issued twice"
        );
        self.issued.push((token, source));
        self.live.insert(token, None);
    }

    /// Calls a few operations of the loop.
    pub fn act<P: Selector<Source = S>>(&mut self, context: &mut Context<'_, P>) {
        for _ in 0..self.choices.below(DEEDS_MAX + 1) {
            self.do_one(context);
        }
    }

    fn do_one<P: Selector<Source = S>>(&mut self, context: &mut Context<'_, P>) {
        let deed = self.choices.below(10);
        if deed < 3 {
            return self.obtain(context, deed == 0);
        }
        let Some((token, source)) = self.choices.pick(&self.issued) else { return };
        let was_live = self.live.contains_key(&token);
        assert_eq!(context.contains(token), was_live);
        let (outcome, time) = match (deed, source) {
            (3, Some(source)) => {
                (context.modify(source, token, self.interest(), self.mode()), None)
            }
            (4 | 5, Some(source)) => {
                let outcome = context.deregister(source, token);
                self.live.remove(&token);
                (outcome, None)
            }
            (6, _) => {
                let outcome = context.release(token);
                self.live.remove(&token);
                (outcome, None)
            }
            (7, _) => {
                let had = self.live.get_mut(&token).and_then(Option::take).is_some();
                assert_eq!(context.cancel_timer(token), had);
                return;
            }
            (8, _) => {
                let time = self.time();
                (context.set_timer_earlier(token, time), Some((time, true)))
            }
            _ => {
                let time = self.time();
                (context.set_timer(token, time), Some((time, false)))
            }
        };
        let is_stale = outcome.is_err_and(|error| error.kind() == ErrorKind::Stale);
        assert!(was_live || is_stale, "what is done to a dead token is refused");
        if let Some((time, only_earlier)) = time {
            self.note_deadline(token, time, only_earlier);
        }
        assert_eq!(context.registry().len(), self.live.len());
    }

    fn note_deadline(&mut self, token: Token, at: Instant, only_earlier: bool) {
        let Some(deadline) = self.live.get_mut(&token) else { return };
        if !only_earlier || deadline.is_none_or(|earlier| at < earlier.at) {
            *deadline = Some(Deadline { at, set_in: self.rounds, full_looks: 0 });
        }
    }

    /// Registers a source, or asks for a token without one.
    fn obtain<P: Selector<Source = S>>(
        &mut self,
        context: &mut Context<'_, P>,
        without_source: bool,
    ) {
        let Some(source) = self.choices.pick(&self.sources) else { return };
        let (token, source) = if without_source {
            (context.issue(), None)
        } else {
            (context.register(source, self.interest(), self.mode()), Some(source))
        };
        if let Ok(token) = token {
            self.note_issued(token, source);
        }
        assert_eq!(context.registry().len(), self.live.len());
    }

    /// Holds the loop to its promises after a round.
    ///
    /// A deadline expires after a look that began after it: one that did not fill its batch, or
    /// as many in a row as make up a look at all sources. A series of full looks that had begun
    /// before the deadline does not count, but the next one does.
    pub fn check<P: Selector<Source = S>>(&mut self, context: &mut Context<'_, P>, round: Round) {
        let counters = context.counters();
        assert_eq!(counters.events, self.delivered + counters.events_stale);
        assert_eq!(counters.deadlines, self.expired);
        let (events, expired) = (counters.events - self.before.0, self.expired - self.before.1);
        self.before = (counters.events, self.expired);
        let batch = round.batch as u64;
        assert!(events <= batch && expired <= batch, "the work of a round is bounded");
        let is_full = events == batch;
        for deadline in self.live.values_mut().flatten() {
            if expired == batch || !is_full {
                deadline.full_looks = 0;
            }
            if deadline.set_in == self.rounds || deadline.at > round.began_at || expired == batch {
                continue;
            }
            deadline.full_looks += usize::from(is_full);
            let is_left = !is_full || deadline.full_looks > 2 * (round.looks - 1);
            assert!(!is_left, "a deadline that has passed was left: {deadline:?}");
        }
        self.rounds += 1;
    }

    /// Holds the loop to what it says of its next turn.
    pub fn check_next<P: Selector<Source = S>>(
        &self,
        context: &mut Context<'_, P>,
        next: Option<Instant>,
    ) {
        if let Some(deadline) = self.next_deadline() {
            let latest = deadline.max(context.now());
            assert!(
                next.is_some_and(|next| next <= latest),
                "the next turn is at {next:?}, after {deadline:?}"
            );
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.live.values().flatten().map(|deadline| deadline.at).min()
    }
}

impl<P: Selector> Handler<P> for Driver<P::Source> {
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        assert!(
            self.live.contains_key(&event.token),
            "an event for {:?}, which is dead",
            event.token
        );
        self.delivered += 1;
        self.act(context);
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        let deadline =
            self.live.get_mut(&token).expect("a deadline belongs to a live token").take();
        assert!(
            deadline.is_some_and(|deadline| deadline.at <= self.looked_at.get()),
            "a deadline comes from nowhere, or before a look that is newer"
        );
        self.expired += 1;
        self.act(context);
    }
}
