//! The rules: what must hold after every turn, at rest, and after the drain.

use selkie_core::{Close, CloseReason, ErrorKind, Instant, Service};

use super::Judge;
use super::drive::{Run, Verdict};
use crate::network::NEAR;
use crate::{Closed, Scenario};

/// What the rules remember from turn to turn.
#[derive(Debug)]
pub(super) struct Checks {
    /// How many turns may still go by without anybody getting further.
    patience: u64,
    patience_max: u64,
    progress: u64,
    now: Instant,
    /// Returns of the platform that had no cause.
    excuses: u64,
    excused: bool,
    excused_before: bool,
    quiet_returns: u64,
    /// The earliest deadline that the service is owed, and for how many turns.
    service_overdue: Option<Instant>,
    service_overdue_turns: u64,
    /// How many turns it may take until all that is due was handled.
    turns_late_max: u64,
    turns_after_drain: u64,
}

/// How much virtual time buys another turn without progress, in nanoseconds: timers may well do
/// nothing.
const TURN_PRICE: u64 = 10_000;

impl Checks {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let limits = &scenario.limits;
        let turns_late_max = 2 + limits.slots / limits.batch.max(1);
        let patience_max = 40 + 8 * turns_late_max;
        Self {
            patience: patience_max,
            patience_max,
            progress: 0,
            now: Instant::ZERO,
            excuses: 0,
            excused: false,
            excused_before: false,
            quiet_returns: 0,
            service_overdue: None,
            service_overdue_turns: 0,
            turns_late_max,
            turns_after_drain: 0,
        }
    }

    /// The next turn comes without a cause.
    pub(super) const fn excuse(&mut self) {
        self.excused = true;
    }

    /// Whether somebody got further, time went by, or the platform reported what was not.
    fn spins(&mut self, now: Instant, progress: u64, excuses: u64) -> bool {
        let bought = (now.as_nanos() - self.now.as_nanos()) / TURN_PRICE;
        self.patience = (self.patience + bought).min(self.patience_max);
        let causeless = excuses != self.excuses || core::mem::take(&mut self.excused);
        if progress != self.progress {
            self.patience = self.patience_max;
        } else if !causeless && !self.excused_before {
            self.patience = self.patience.saturating_sub(1);
        }
        // After an event, even an excused one, a loop that is driven from outside wants to be sure
        // with another turn.
        self.excused_before = causeless;
        self.progress = progress;
        self.excuses = excuses;
        self.now = now;
        self.patience == 0
    }
}

/// Breaks a rule unless something holds.
macro_rules! ensure {
    ($holds:expr, $rule:expr, $($what:tt)*) => {
        if !$holds {
            return Err(($rule, alloc::format!($($what)*)));
        }
    };
}

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// What must hold after every turn.
    pub(super) fn check_turn(&mut self) -> Verdict {
        if let Some(fault) = &self.server.service().fault {
            return Err(("calls come in order", fault.clone()));
        }
        self.check_ends()?;
        self.check_closings()?;
        let service = &self.server.service().service;
        let verdict = self.event_loop.context.platform.far_side.after_turn(service);
        verdict.map_err(|what| ("no byte lost, changed, repeated or reordered", what))?;
        self.check_counters()?;
        self.check_bounds()?;
        self.check_deadlines()?;
        self.check_tables()?;
        self.check_draining()
    }

    /// Before a service is told that a stream has ended, it was offered the stream to its last
    /// byte.
    fn check_ends(&mut self) -> Verdict {
        for (token, offered) in self.server.service_mut().ends.drain(..) {
            let platform = &self.event_loop.context.platform;
            let closed =
                platform.ledger.closed.iter().map(|closed| (closed.token, &closed.evidence));
            let open = platform
                .network
                .connections
                .iter()
                .map(|open| (open.evidence.token, &open.evidence));
            let came = closed
                .chain(open)
                .find(|(found, _)| *found == Some(token))
                .map(|(_, evidence)| evidence.came);
            ensure!(
                came == Some(offered),
                "all is offered before the end",
                "{token:?} was told of the end after {offered} of {came:?} bytes"
            );
        }
        Ok(())
    }

    /// Every closing of the service belongs to one of the platform, and for the reason that the
    /// platform knows of.
    fn check_closings(&mut self) -> Verdict {
        let now = self.event_loop.context.now();
        for position in 0..self.server.service().closings.len() {
            let (token, reason) = self.server.service().closings[position];
            let platform = &mut self.event_loop.context.platform;
            let found =
                platform.ledger.closed.iter().position(|closed| closed.token == Some(token));
            let Some(found) = found else {
                return Err((
                    "slots come back",
                    alloc::format!("{token:?} was {reason}, and is not closed"),
                ));
            };
            let closed = platform.ledger.closed.swap_remove(found);
            self.check_reason(&closed, reason, now)?;
            let service = &self.server.service().service;
            let verdict =
                self.event_loop.context.platform.far_side.server_closed(service, &closed, reason);
            verdict.map_err(|what| ("everyone gets what is owed", what))?;
        }
        self.server.service_mut().closings.clear();
        // What is left was refused before the service knew of it.
        let refused = self
            .event_loop
            .context
            .platform
            .ledger
            .closed
            .drain(..)
            .filter(|closed| closed.token.is_some());
        let refused = refused.count();
        ensure!(
            refused == 0,
            "calls come in order",
            "{refused} connections were closed without a call"
        );
        Ok(())
    }

    /// Whether the platform has seen what the server says.
    fn check_reason(&self, closed: &Closed, reason: CloseReason, now: Instant) -> Verdict {
        let (limits, evidence) = (&self.scenario.limits, &closed.evidence);
        let since = |then: Instant| now.saturating_since(then).as_nanos();
        let rule = "connections close for a reason";
        let told =
            |kinds: &[ErrorKind]| evidence.failed.is_some_and(|failed| kinds.contains(&failed));
        let reset =
            [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted];
        let holds = match reason {
            CloseReason::Finished => evidence.end_read,
            CloseReason::Closed => closed.how == Close::Graceful || evidence.failed.is_some(),
            CloseReason::Aborted => closed.how == Close::Abort,
            // A hang-up may be reported by an event alone.
            CloseReason::Reset => told(&reset) || closed.how == Close::Abort,
            CloseReason::Failed => evidence.failed.is_some(),
            CloseReason::Idle => {
                limits.idle_timeout != 0
                    && since(evidence.moved_at) >= u128::from(limits.idle_timeout)
            }
            CloseReason::Stalled => {
                let span = evidence.refused_since.map_or(0, since);
                // Where the platform owns the buffers, the server sees that they are full and does
                // not write, so nothing is refused.
                limits.stall_timeout != 0
                    && (OWNS_BUFFERS || span >= u128::from(limits.stall_timeout))
            }
            CloseReason::InputNotTaken => limits.stall_timeout != 0,
            CloseReason::BufferNeeded => limits.blocks < 2 * limits.slots,
            CloseReason::Drained => self.drain_until.is_some(),
            // Whoever was sent everything, the end included, is not expelled.
            CloseReason::Expelled => {
                !evidence.write_ended && self.drain_until.is_some_and(|deadline| deadline <= now)
            }
        };
        ensure!(
            holds,
            rule,
            "{:?} was {reason} at {now:?}: {evidence:?}, {:?}",
            closed.token,
            closed.how
        );
        Ok(())
    }

    /// The server's counters agree with the platform's.
    fn check_counters(&self) -> Verdict {
        let (server, ledger) = (self.server.counters(), self.event_loop.context.platform.ledger());
        let open = self.server.open_connections() as u64;
        let pairs = [
            ("accepted and refused", server.accepted + server.refused, ledger.accepted),
            ("aborted early", server.aborted_early, ledger.accepts_aborted),
            ("accept failures", server.accept_failures, ledger.accepts_failed),
            ("bytes in", server.bytes_in, ledger.bytes_in),
            ("bytes out", server.bytes_out, ledger.bytes_out),
            ("spurious reads", server.reads_spurious, ledger.reads_blocked),
            ("close failures", server.close_failures, ledger.closes_failed),
            ("open and closed", server.closed_total() + open, server.accepted),
            ("open", self.server.service().open() as u64, open),
        ];
        for (what, counted, happened) in pairs {
            ensure!(
                counted == happened,
                "counters agree",
                "{what}: {counted} counted, {happened} happened"
            );
        }
        Ok(())
    }

    /// The work of a turn is bounded, and a turn without anything to do is not made.
    fn check_bounds(&mut self) -> Verdict {
        let (now, limits) = (self.event_loop.context.now(), &self.scenario.limits);
        let (ledger, counters) =
            (self.event_loop.context.platform.ledger(), self.event_loop.context.counters());
        let excessive = ledger.reads_excessive;
        ensure!(
            excessive == 0,
            "reads are bounded",
            "{excessive} reads more than events and deadlines of a connection"
        );
        let (accepts, most) = (ledger.accepts_this_turn, limits.accepts_per_turn.max(1));
        let repeated = 1 + u64::from(self.scenario.knobs.repeated_events != 0);
        ensure!(
            accepts <= most * repeated,
            "accepts are bounded",
            "{accepts} accepts in a turn of at most {most}"
        );
        let excuses = ledger.early_returns + ledger.spurious + ledger.ghosts + ledger.jumps;
        // A platform that is polled cannot tell whom an arrival is for, and so has the loop come
        // for nothing.
        if limits.driven != 0 && now > self.checks.now {
            self.checks.excuse();
        }
        let (progress, early_returns) = (ledger.progress, ledger.early_returns);
        self.checks.quiet_returns += u64::from(self.event_loop.context.platform.is_quiet());
        let spins = self.checks.spins(now, progress, excuses);
        ensure!(
            !spins,
            "no turn without progress",
            "nobody gets further since {} turns",
            self.checks.patience_max
        );
        let idle = counters.turns_idle.saturating_sub(early_returns + self.checks.quiet_returns);
        let waits = limits.driven == 0;
        ensure!(
            !waits || idle == 0,
            "no wait without a cause",
            "{idle} idle turns have no explanation"
        );
        Ok(())
    }

    /// Deadlines are not missed by more turns than a full batch explains. What is due in this very
    /// nanosecond may wait while time stands still.
    fn check_deadlines(&mut self) -> Verdict {
        let now = self.event_loop.context.now();
        let (limits, most) = (&self.scenario.limits, self.checks.turns_late_max);
        let (idle, stall) = (limits.idle_timeout, limits.stall_timeout);
        let passed = |since: Instant, timeout: u64| {
            timeout != 0 && since.as_nanos().saturating_add(timeout) < now.as_nanos()
        };
        for connection in &mut self.event_loop.context.platform.network.connections {
            let evidence = &mut connection.evidence;
            if !connection.ends[NEAR].open || evidence.token.is_none() {
                continue;
            }
            // What ends its own stream may be lingering, which has a deadline of its own.
            let idles = !evidence.write_ended && passed(evidence.moved_at, idle);
            let stalls =
                evidence.refused_since.is_some_and(|since| !OWNS_BUFFERS && passed(since, stall));
            evidence.overdue_turns = if idles || stalls { evidence.overdue_turns + 1 } else { 0 };
            let late = evidence.overdue_turns;
            ensure!(late <= most, "deadlines are kept", "{evidence:?} is overdue at {now:?}");
        }
        let service = &self.server.service().service;
        let overdue = self.event_loop.context.platform.far_side.overdue(service, now);
        let overdue = overdue.filter(|_| self.drain_until.is_none());
        let same = overdue.is_some() && overdue == self.checks.service_overdue;
        self.checks.service_overdue = overdue;
        self.checks.service_overdue_turns =
            if same { self.checks.service_overdue_turns + 1 } else { 0 };
        let late = self.checks.service_overdue_turns;
        ensure!(
            late <= most,
            "deadlines are kept",
            "the service waits for a timer of {overdue:?} since {late} turns"
        );
        Ok(())
    }

    /// Slots, registrations and descriptors are those of the open connections, and no more.
    fn check_tables(&self) -> Verdict {
        let context = &self.event_loop.context;
        let open = self.server.open_connections();
        let listeners = self.server.listeners();
        let (live, registered) = (context.registry().len(), context.platform.registrations().len());
        let descriptors = context.platform.network.near_open;
        ensure!(live == open + listeners, "slots come back", "{live} slots for {open} connections");
        ensure!(
            registered == live,
            "slots come back",
            "{registered} registrations for {live} slots"
        );
        ensure!(
            descriptors == open,
            "slots come back",
            "{descriptors} descriptors for {open} connections"
        );
        let bounded = open as u64 <= self.scenario.limits.connections_max;
        ensure!(bounded, "the capacity is kept", "{open} connections are open");
        Ok(())
    }

    /// Draining is over soon after its deadline.
    fn check_draining(&mut self) -> Verdict {
        let Some(deadline) = self.drain_until else { return Ok(()) };
        let now = self.event_loop.context.now();
        if now >= deadline && !self.server.is_drained() {
            self.checks.turns_after_drain += 1;
        }
        let (late, open) = (self.checks.turns_after_drain, self.server.open_connections());
        let most = 4 * self.checks.turns_late_max;
        ensure!(
            late <= most,
            "draining ends",
            "{open} connections are open {late} turns after the deadline"
        );
        Ok(())
    }

    /// What must hold when nothing will happen any more.
    pub(super) fn check_rest(&mut self) -> Verdict {
        let rest = self.rest();
        let waiting = self.event_loop.context.platform.network.waiting();
        ensure!(
            waiting == 0 || rest.full,
            "the listener wakes up",
            "{waiting} connections wait for ever to be accepted"
        );
        let service = &self.server.service().service;
        let verdict = self.event_loop.context.platform.far_side.at_rest(service, &rest);
        verdict.map_err(|what| ("nobody waits for ever", what))
    }

    /// What must hold after the drain.
    pub(super) fn check_drained(&mut self) -> Verdict {
        let context = &mut self.event_loop.context;
        let (live, borrowed) = (context.registry().len(), self.server.blocks_borrowed());
        ensure!(live == 0, "slots come back", "{live} slots are live after the drain");
        ensure!(
            borrowed == 0,
            "blocks come back",
            "{borrowed} blocks are borrowed after the drain"
        );
        context.platform.network.knobs.polled = 0;
        context.platform.network.knobs.ghost_events = 0;
        let now = context.platform.network.now();
        let due = self.event_loop.turn(now, &mut self.server);
        ensure!(due == Ok(None), "timers come back", "after the drain, the loop is due at {due:?}");
        Ok(())
    }
}
