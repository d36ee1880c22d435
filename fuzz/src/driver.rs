//! A handler that does what the fuzzer likes, and holds the loop to its promises meanwhile.

use std::collections::HashMap;

use selkie_core::platform::Selector;
use selkie_core::{Context, ErrorKind, Event, Handler, Instant, Interest, Mode, Token};

use crate::choices::Choices;

/// The handler, and what is to be expected of the loop.
#[derive(Debug)]
pub struct Driver<S> {
    choices: Choices,
    sources: Vec<S>,
    /// The tokens that are live, and the deadline of each.
    live: HashMap<Token, Option<Instant>>,
    /// Every token that was ever issued, in order, with its source if it has one.
    issued: Vec<(Token, Option<S>)>,
    /// Number of events were delivered.
    delivered: u64,
    expired: u64,
}

/// Maximum number of operations in each call of the handler.
const DEEDS_MAX: usize = 4;

impl<S: Copy> Driver<S> {
    /// Makes a handler that chooses from `choices` and registers `sources`.
    #[must_use]
    pub fn new(choices: Choices, sources: Vec<S>) -> Self {
        Self {
            choices,
            sources,
            live: HashMap::new(),
            issued: Vec::new(),
            delivered: 0,
            expired: 0,
        }
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
        if let (Some((time, only_earlier)), Some(deadline)) = (time, self.live.get_mut(&token)) {
            *deadline = Some(if only_earlier {
                deadline.map_or(time, |earlier| earlier.min(time))
            } else {
                time
            });
        }
        assert_eq!(context.registry().len(), self.live.len());
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

    /// Holds the loop to its promises after a round, before which so many deadlines had passed, and
    /// which handles at most `batch` of them.
    pub fn check<P: Selector<Source = S>>(
        &self,
        context: &mut Context<'_, P>,
        expired_before: u64,
        batch: usize,
    ) {
        let counters = context.counters();
        assert_eq!(counters.events, self.delivered + counters.events_stale);
        assert_eq!(counters.deadlines, self.expired);
        let expired = self.expired - expired_before;
        assert!(expired <= batch as u64, "the work of a round is bounded");
        if let Some(deadline) = self.next_deadline() {
            assert!(
                expired == batch as u64 || deadline > context.now(),
                "a deadline that has passed was left"
            );
        }
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

    /// Returns the number of deadlines have passed so far.
    #[must_use]
    pub const fn expired(&self) -> u64 {
        self.expired
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.live.values().flatten().min().copied()
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
            deadline.is_some_and(|deadline| deadline <= context.now()),
            "a deadline comes early, or from nowhere"
        );
        self.expired += 1;
        self.act(context);
    }
}
