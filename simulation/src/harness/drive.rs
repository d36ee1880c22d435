//! The course of a run: load, rest, drain, end.

use alloc::string::String;
use core::time::Duration;

use selkie_core::platform::Transport;
use selkie_core::{Context, Event, EventLoop, Handler, Instant, Server, Service, Token};

use super::checks::Checks;
use super::memory::{HeapLoop, HeapServer};
use super::neighbour::{Neighbour, Town};
use super::observer::Observer;
use super::{Judge, Report, Rest, Violation};
use crate::trace::trace;
use crate::{ClientModel, Random, Scenario, Simulated};

/// Result of the checks: nothing, or the broken rule and a sentence.
pub(super) type Verdict = Result<(), (&'static str, String)>;

/// The platform of a run.
type Platform<F, const OWNS_BUFFERS: bool, const READS_ON: bool> =
    Simulated<Town<F>, OWNS_BUFFERS, READS_ON>;

/// Everything that takes part in a run.
pub(super) struct Run<
    'a,
    S: Service,
    F: ClientModel,
    const OWNS_BUFFERS: bool,
    const READS_ON: bool,
> {
    pub(super) scenario: &'a Scenario,
    pub(super) event_loop: EventLoop<Platform<F, OWNS_BUFFERS, READS_ON>, HeapLoop>,
    pub(super) server: Server<
        Platform<F, OWNS_BUFFERS, READS_ON>,
        Observer<S>,
        HeapServer<crate::Source, S::Session>,
    >,
    pub(super) neighbour: Option<Neighbour<Platform<F, OWNS_BUFFERS, READS_ON>>>,
    pub(super) checks: Checks,
    random: Random,
    /// The time of the next turn, where the loop is driven from outside.
    due: Option<Instant>,
    /// The time at which draining has to be over.
    pub(super) drain_until: Option<Instant>,
}

/// The servers as the loop's handler, with an eye on the events.
struct CheckedHandler<'w, P: Transport, H> {
    handler: &'w mut H,
    neighbour: Option<&'w mut Neighbour<P>>,
    fault: Option<String>,
}

impl<P: Transport, H> CheckedHandler<'_, P, H> {
    /// Returns the second server, if the token is one of its own.
    fn neighbour_of(
        &mut self,
        context: &Context<'_, P>,
        token: Token,
    ) -> Option<&mut Neighbour<P>> {
        self.neighbour.as_deref_mut().filter(|neighbour| neighbour.server.owns(context, token))
    }
}

impl<F: ClientModel, H, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Handler<Platform<F, OWNS_BUFFERS, READS_ON>>
    for CheckedHandler<'_, Platform<F, OWNS_BUFFERS, READS_ON>, H>
where
    H: Handler<Platform<F, OWNS_BUFFERS, READS_ON>>,
{
    fn ready(
        &mut self,
        context: &mut Context<'_, Platform<F, OWNS_BUFFERS, READS_ON>>,
        event: Event,
    ) {
        if context.platform.registrations().get(event.token).is_err() {
            self.fault.get_or_insert_with(|| {
                alloc::format!("{event:?} reached the handler, and is not registered")
            });
        }
        match self.neighbour_of(context, event.token) {
            Some(neighbour) => neighbour.server.ready(context, event),
            None => self.handler.ready(context, event),
        }
    }

    fn expired(
        &mut self,
        context: &mut Context<'_, Platform<F, OWNS_BUFFERS, READS_ON>>,
        token: Token,
    ) {
        if !context.contains(token) {
            self.fault.get_or_insert_with(|| {
                alloc::format!("a deadline of {token:?} expired, which is not live")
            });
        }
        context.platform.note_deadline(token);
        trace!(context.platform.network, "deadline: {token:?}");
        let looked_at = context.platform.evidence().looked_at;
        let neighbour = self.neighbour.as_deref_mut();
        if neighbour.is_some_and(|second| second.alarm_expired(context, token, looked_at)) {
            return;
        }
        match self.neighbour_of(context, token) {
            Some(neighbour) => neighbour.server.expired(context, token),
            None => self.handler.expired(context, token),
        }
    }
}

impl<'a, S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'a, S, F, OWNS_BUFFERS, READS_ON>
{
    pub(super) fn new(
        scenario: &'a Scenario,
        event_loop: EventLoop<Platform<F, OWNS_BUFFERS, READS_ON>, HeapLoop>,
        server: Server<
            Platform<F, OWNS_BUFFERS, READS_ON>,
            Observer<S>,
            HeapServer<crate::Source, S::Session>,
        >,
        neighbour: Option<Neighbour<Platform<F, OWNS_BUFFERS, READS_ON>>>,
    ) -> Self {
        let random = Random::new(scenario.seed).fork(5);
        Self {
            scenario,
            event_loop,
            server,
            neighbour,
            checks: Checks::new(scenario),
            random,
            due: Some(Instant::ZERO),
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
        let (trace, client_model) = (platform.network.trace, platform.client_model.clients);
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
            if self.is_drained() {
                break;
            }
            if self.drain_until.is_none() {
                self.issue_tokens();
            }
            let at_rest = self.turn()?;
            self.check_turn()?;
            if at_rest && self.take_back_tokens() {
                continue;
            }
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
            .clients
            .at_end(service)
            .map_err(|what| ("replies are complete", what))
    }

    /// Returns whether both servers are drained; the second one begins when the first is.
    fn is_drained(&mut self) -> bool {
        if !self.server.is_drained() {
            return false;
        }
        let Some(neighbour) = &mut self.neighbour else { return true };
        if !neighbour.server.is_draining() {
            let mut context = self.event_loop.context();
            let span = Duration::from_nanos(self.scenario.limits.drain_timeout);
            let deadline = context.now() + span;
            neighbour.server.drain(&mut context, deadline);
            self.drain_until = self.drain_until.max(Some(deadline));
            self.due = Some(Instant::ZERO);
        }
        neighbour.server.is_drained()
    }

    /// Issues tokens for others, releases them, and posts messages.
    fn issue_tokens(&mut self) {
        if let Some(neighbour) = &mut self.neighbour {
            neighbour.issue_tokens(&mut self.event_loop.context());
            neighbour.post_messages(&mut self.event_loop.context());
        }
    }

    /// Takes back all tokens of others. Returns whether there were any.
    fn take_back_tokens(&mut self) -> bool {
        let Some(neighbour) = &mut self.neighbour else { return false };
        neighbour.stop_issuing();
        let any = neighbour.take_back(&mut self.event_loop.context(), usize::MAX);
        if any {
            self.due = Some(Instant::ZERO);
        }
        any
    }

    fn begin_draining(&mut self) {
        self.take_back_tokens();
        let network = &mut self.event_loop.platform.network;
        trace!(network, "server: begins to drain");
        let deadline = network.now() + Duration::from_nanos(self.scenario.limits.drain_timeout);
        self.drain_until = Some(deadline);
        self.note_drain();
        self.due = Some(Instant::ZERO);
        self.server.drain(&mut self.event_loop.context(), deadline);
    }

    /// Makes one turn. Returns whether nothing will happen any more.
    fn turn(&mut self) -> Result<bool, (&'static str, String)> {
        let mut watched = CheckedHandler {
            handler: &mut self.server,
            neighbour: self.neighbour.as_mut(),
            fault: None,
        };
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
        for _ in 0..10_000_000 {
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
