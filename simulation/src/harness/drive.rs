//! The course of a run: load, rest, drain, end.

use alloc::string::String;
use core::time::Duration;

use selkie_core::memory::LoopStorage;
use selkie_core::{Context, Event, EventLoop, Handler, Instant, Server, Service, Token};

use super::checks::Checks;
use super::observer::Observer;
use super::{Judge, Report, Rest, Violation};
use crate::trace::trace;
use crate::{ClientModel, Random, Scenario, Simulated};

/// Result of the checks: nothing, or the broken rule and a sentence.
pub(super) type Verdict = Result<(), (&'static str, String)>;

/// Everything that takes part in a run.
pub(super) struct Run<
    'a,
    S: Service,
    F: ClientModel,
    const OWNS_BUFFERS: bool,
    const READS_ON: bool,
> {
    pub(super) scenario: &'a Scenario,
    pub(super) event_loop: EventLoop<Simulated<F, OWNS_BUFFERS, READS_ON>, LoopStorage<'a>>,
    pub(super) server: Server<'a, Simulated<F, OWNS_BUFFERS, READS_ON>, Observer<S>>,
    pub(super) checks: Checks,
    random: Random,
    /// When the next turn is due, where the loop is driven from outside.
    due: Option<Instant>,
    /// When the draining has to be over.
    pub(super) drain_until: Option<Instant>,
}

/// The server as the loop's handler, with an eye on the events.
struct CheckedHandler<'w, H> {
    handler: &'w mut H,
    fault: Option<String>,
}

impl<'a, F: ClientModel, H, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Handler<Simulated<F, OWNS_BUFFERS, READS_ON>> for CheckedHandler<'_, H>
where
    H: Handler<Simulated<F, OWNS_BUFFERS, READS_ON>>,
{
    fn ready(
        &mut self,
        context: &mut Context<'_, Simulated<F, OWNS_BUFFERS, READS_ON>>,
        event: Event,
    ) {
        if context.platform.registrations().get(event.token).is_err() {
            self.fault.get_or_insert_with(|| {
                alloc::format!("{event:?} reached the handler, and is not registered")
            });
        }
        self.handler.ready(context, event);
    }

    fn expired(
        &mut self,
        context: &mut Context<'_, Simulated<F, OWNS_BUFFERS, READS_ON>>,
        token: Token,
    ) {
        if !context.contains(token) {
            self.fault.get_or_insert_with(|| {
                alloc::format!("a deadline of {token:?} expired, which is not live")
            });
        }
        context.platform.note_deadline(token);
        trace!(context.platform.network, "deadline: {token:?}");
        self.handler.expired(context, token);
    }
}

impl<'a, S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'a, S, F, OWNS_BUFFERS, READS_ON>
{
    pub(super) fn new(
        scenario: &'a Scenario,
        event_loop: EventLoop<Simulated<F, OWNS_BUFFERS, READS_ON>, LoopStorage<'a>>,
        server: Server<'a, Simulated<F, OWNS_BUFFERS, READS_ON>, Observer<S>>,
    ) -> Self {
        let random = Random::new(scenario.seed).fork(5);
        let due = Some(Instant::ZERO);
        Self {
            scenario,
            event_loop,
            server,
            checks: Checks::new(scenario),
            random,
            due,
            drain_until: None,
        }
    }

    /// Plays the whole run.
    pub(super) fn play(mut self) -> Report<S, F> {
        let verdict = self.course();
        let turn = self.event_loop.platform.evidence().turn;
        let violation = verdict.err().map(|(rule, what)| Violation { rule, what, turn });
        let counters = *self.server.counters();
        let loop_counters = self.event_loop.counters();
        let ended_at = self.event_loop.platform.network.now();
        // The server gives its service back only when it is consumed.
        let (service, platform) = (self.server.into_service().service, self.event_loop.platform);
        let (trace, client_model) = (platform.network.trace, platform.client_model);
        Report {
            violation,
            turns: turn,
            ended_at,
            counters,
            loop_counters,
            trace,
            service,
            client_model,
        }
    }

    fn course(&mut self) -> Verdict {
        loop {
            let turn = self.event_loop.platform.evidence().turn;
            let (planned, most) = (self.scenario.limits.drain_turn, self.scenario.limits.turns_max);
            if self.drain_until.is_none() && (turn >= most || (planned != 0 && turn >= planned)) {
                self.begin_draining();
            }
            if self.server.is_drained() {
                break;
            }
            let at_rest = self.turn()?;
            self.check_turn()?;
            if at_rest && self.drain_until.is_some() {
                return Err((
                    "draining ends",
                    String::from("nothing will happen any more, and connections are open"),
                ));
            }
            if at_rest {
                self.check_rest()?;
                self.begin_draining();
            }
        }
        self.check_drained()?;
        self.finish();
        let service = &self.server.service().service;
        self.event_loop
            .platform
            .client_model
            .at_end(service)
            .map_err(|what| ("replies are complete", what))
    }

    fn begin_draining(&mut self) {
        let network = &mut self.event_loop.platform.network;
        trace!(network, "server: begins to drain");
        let deadline = network.now() + Duration::from_nanos(self.scenario.limits.drain_timeout);
        self.drain_until = Some(deadline);
        self.server.drain(&mut self.event_loop.context(), deadline);
    }

    /// Makes one turn. Returns whether nothing will happen any more.
    fn turn(&mut self) -> Result<bool, (&'static str, String)> {
        let mut watched = CheckedHandler { handler: &mut self.server, fault: None };
        let quiet = if self.scenario.limits.driven == 0 {
            let outcome = self.event_loop.run_once(&mut watched);
            outcome.map_err(|error| ("the wait succeeds", alloc::format!("{error}")))?;
            self.event_loop.platform.is_quiet()
        } else {
            let early = self.random.chance(self.scenario.limits.early_turns);
            let parameters = &self.event_loop.platform.network.parameters;
            let late = self.random.between(0, parameters.late_return_max);
            let now = self.event_loop.platform.network.now();
            let due = self.due.unwrap_or(now).max(now);
            let at = if early {
                self.checks.excuse();
                Instant::from_nanos(self.random.between(now.as_nanos(), due.as_nanos()))
            } else {
                Instant::from_nanos(due.as_nanos().saturating_add(late))
            };
            let outcome = self.event_loop.turn(at, &mut watched);
            self.due = outcome.map_err(|error| ("the poll succeeds", alloc::format!("{error}")))?;
            self.due.is_none()
        };
        match watched.fault {
            Some(fault) => Err(("no event for a dead token", fault)),
            None => Ok(quiet),
        }
    }

    /// Lets the far side notice what the server did last.
    fn finish(&mut self) {
        let platform = &mut self.event_loop.platform;
        // A bound, in case that the far side never rests.
        for _ in 0..1_000_000 {
            let next = Instant::earlier(
                platform.network.next_arrival(),
                platform.client_model.next_action(),
            );
            let Some(next) = next else { return };
            platform.advance(next);
        }
    }

    pub(super) fn rest(&mut self) -> Rest {
        let limits = &self.scenario.limits;
        let context = self.event_loop.context();
        let registry = context.registry();
        let open = self.server.open_connections() as u64;
        let blocks_free = crate::scenario::size(limits.blocks) - self.server.blocks_borrowed();
        Rest {
            blocks_free,
            full: open >= limits.connections_max || registry.len() == registry.capacity(),
        }
    }
}
