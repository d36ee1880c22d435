//! The course of a run: load, rest, drain, end.

use alloc::string::String;
use core::time::Duration;

use selkie_core::{
    Context, Event, EventLoop, Handler, Instant, Server, ServerStorage, Service, Token,
};

use super::checks::Checks;
use super::observer::Observer;
use super::{Judge, Report, Rest, Violation};
use crate::trace::trace;
use crate::{FarSide, Random, Scenario, Simulated, Source};

/// What the checks say: nothing, or the rule that was broken and how.
pub(super) type Verdict = Result<(), (&'static str, String)>;

/// The server under test, in borrowed memory.
type Tested<'a, S, F, const OWNS_BUFFERS: bool, const READS_ON: bool> = Server<
    Simulated<F, OWNS_BUFFERS, READS_ON>,
    Observer<S>,
    ServerStorage<'a, Source, <S as Service>::Session>,
>;

/// Everything that takes part in a run.
pub(super) struct Run<'a, S: Service, F: FarSide, const OWNS_BUFFERS: bool, const READS_ON: bool> {
    pub(super) scenario: &'a Scenario,
    pub(super) event_loop: EventLoop<'a, Simulated<F, OWNS_BUFFERS, READS_ON>>,
    pub(super) server: Tested<'a, S, F, OWNS_BUFFERS, READS_ON>,
    pub(super) checks: Checks,
    random: Random,
    /// When the next turn is due, where the loop is driven from outside.
    due: Option<Instant>,
    /// When the draining has to be over.
    pub(super) drain_until: Option<Instant>,
}

/// The server as the loop's handler, with an eye on the events.
struct Watched<'w, H> {
    handler: &'w mut H,
    fault: Option<String>,
}

impl<'a, F: FarSide, H, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Handler<'a, Simulated<F, OWNS_BUFFERS, READS_ON>> for Watched<'_, H>
where
    H: Handler<'a, Simulated<F, OWNS_BUFFERS, READS_ON>>,
{
    fn ready(
        &mut self,
        context: &mut Context<'a, Simulated<F, OWNS_BUFFERS, READS_ON>>,
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
        context: &mut Context<'a, Simulated<F, OWNS_BUFFERS, READS_ON>>,
        token: Token,
    ) {
        if !context.contains(token) {
            self.fault.get_or_insert_with(|| {
                alloc::format!("a deadline of {token:?} came, which is not live")
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
        event_loop: EventLoop<'a, Simulated<F, OWNS_BUFFERS, READS_ON>>,
        server: Tested<'a, S, F, OWNS_BUFFERS, READS_ON>,
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

    /// The whole course.
    pub(super) fn play(mut self) -> Report<S, F> {
        let verdict = self.course();
        let turn = self.event_loop.context.platform.ledger().turn;
        let violation = verdict.err().map(|(rule, what)| Violation { rule, what, turn });
        let counters = *self.server.counters();
        let loop_counters = self.event_loop.context.counters();
        let ended_at = self.event_loop.context.platform.network.now();
        // The server gives its service back only by being taken apart.
        let (service, platform) =
            (self.server.into_service().service, self.event_loop.context.platform);
        let (trace, far_side) = (platform.network.trace, platform.far_side);
        Report {
            violation,
            turns: turn,
            ended_at,
            counters,
            loop_counters,
            trace,
            service,
            far_side,
        }
    }

    fn course(&mut self) -> Verdict {
        loop {
            let turn = self.event_loop.context.platform.ledger().turn;
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
        self.let_go();
        let service = &self.server.service().service;
        self.event_loop
            .context
            .platform
            .far_side
            .at_end(service)
            .map_err(|what| ("everyone gets what is owed", what))
    }

    fn begin_draining(&mut self) {
        let network = &mut self.event_loop.context.platform.network;
        trace!(network, "server: begins to drain");
        let deadline = network.now() + Duration::from_nanos(self.scenario.limits.drain_timeout);
        self.drain_until = Some(deadline);
        self.server.drain(&mut self.event_loop.context, deadline);
    }

    /// One turn. Says whether nothing will happen any more.
    fn turn(&mut self) -> Result<bool, (&'static str, String)> {
        let mut watched = Watched { handler: &mut self.server, fault: None };
        let quiet = if self.scenario.limits.driven == 0 {
            let outcome = self.event_loop.run_once(&mut watched);
            outcome.map_err(|error| ("the wait succeeds", alloc::format!("{error}")))?;
            self.event_loop.context.platform.is_quiet()
        } else {
            let early = self.random.chance(self.scenario.limits.early_turns);
            let knobs = &self.event_loop.context.platform.network.knobs;
            let late = self.random.between(0, knobs.late_return_max);
            let now = self.event_loop.context.platform.network.now();
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
    fn let_go(&mut self) {
        let platform = &mut self.event_loop.context.platform;
        // A bound, in case that the far side goes on for ever.
        for _ in 0..1_000_000 {
            let next =
                Instant::earlier(platform.network.next_arrival(), platform.far_side.next_action());
            let Some(next) = next else { return };
            platform.advance(next);
        }
    }

    pub(super) fn rest(&self) -> Rest {
        let (limits, registry) = (&self.scenario.limits, self.event_loop.context.registry());
        let open = self.server.open_connections() as u64;
        let blocks_free = crate::scenario::size(limits.blocks) - self.server.blocks_borrowed();
        Rest {
            blocks_free,
            full: open >= limits.connections_max || registry.len() == registry.capacity(),
        }
    }
}
