//! The rules: what must hold after every turn, at rest, and after the drain.

use selkie_core::{Instant, Server, Service};

use super::Judge;
use super::drive::{Run, Verdict};
use super::neighbour::Neighbour;
use crate::Scenario;

/// State of the rules between turns.
#[derive(Debug)]
pub(super) struct Checks {
    /// Number of turns that may still pass without progress.
    patience: u64,
    patience_max: u64,
    progress: u64,
    now: Instant,
    /// Returns of the platform that had no cause.
    excuses: u64,
    excused: bool,
    /// Number of turns that are excused after one without a cause.
    excused_after: u64,
    excused_after_max: u64,
    quiet_returns: u64,
    /// The earliest deadline of the service that is overdue, and for how many turns.
    pub(super) service_overdue: Option<Instant>,
    pub(super) service_overdue_turns: u64,
    /// Maximum number of turns until every due deadline is handled.
    pub(super) turns_late_max: u64,
    turns_after_drain: u64,
    /// Connections that were reset in a backlog before this turn.
    pub(super) backlog_resets: u64,
}

/// Virtual time that allows another turn without progress, in nanoseconds, as timers may do
/// nothing.
const TURN_PRICE: u64 = 10_000;

impl Checks {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let limits = &scenario.limits;
        // Full batches put a deadline off until all sources were looked at, twice if it passes in
        // the middle of such a round; then as many expire in a turn as a batch has events. Each of
        // the three begins and ends in the middle of a turn.
        let turns_late_max = 3 * (2 + limits.slots.div_ceil(limits.batch.max(1)));
        let patience_max = 40 + 8 * turns_late_max;
        // After an event, even an excused one, a loop that is driven from outside wants to be sure
        // with another turn. Where buffers are few, each source that was reported falsely waits for
        // one until its turn comes.
        let in_line = if limits.is_scarce() { limits.slots } else { 0 };
        let excused_after_max = 1 + in_line;
        Self {
            patience: patience_max,
            patience_max,
            progress: 0,
            now: Instant::ZERO,
            excuses: 0,
            excused: false,
            excused_after: 0,
            excused_after_max,
            quiet_returns: 0,
            service_overdue: None,
            service_overdue_turns: 0,
            turns_late_max,
            turns_after_drain: 0,
            backlog_resets: 0,
        }
    }

    /// Excuses the next turn for having no cause.
    pub(super) const fn excuse(&mut self) {
        self.excused = true;
    }

    /// Returns true after too many turns without progress, time passing or false reports.
    fn spins(&mut self, now: Instant, progress: u64, excuses: u64) -> bool {
        let bought = (now.as_nanos() - self.now.as_nanos()) / TURN_PRICE;
        self.patience = (self.patience + bought).min(self.patience_max);
        let causeless = excuses != self.excuses || core::mem::take(&mut self.excused);
        if progress != self.progress {
            self.patience = self.patience_max;
        } else if !causeless && self.excused_after == 0 {
            self.patience = self.patience.saturating_sub(1);
        }
        self.excused_after =
            if causeless { self.excused_after_max } else { self.excused_after.saturating_sub(1) };
        self.progress = progress;
        self.excuses = excuses;
        self.now = now;
        self.patience == 0
    }
}

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// Checks the rules that hold after every turn.
    pub(super) fn check_turn(&mut self) -> Verdict {
        if let Some(fault) = &self.server.service().fault {
            return Err(("calls come in order", fault.clone()));
        }
        self.check_ends()?;
        self.check_closings()?;
        let service = &self.server.service().service;
        let town = &mut self.event_loop.platform.client_model;
        let visitors = town.fault.take().map_or(Ok(()), Err);
        let verdict = visitors.and(town.clients.after_turn(service));
        verdict.map_err(|what| ("no byte lost, changed, repeated or reordered", what))?;
        if let Some(neighbour) = &mut self.neighbour {
            neighbour.alarms.verdict()?;
            neighbour.verdict()?;
        }
        self.check_counters()?;
        self.check_bounds()?;
        self.check_deadlines()?;
        self.check_notice()?;
        self.check_tables()?;
        self.check_backlog()?;
        self.check_draining()
    }

    /// Compares the server's counters with the platform's.
    fn check_counters(&self) -> Verdict {
        let (server, evidence) = (self.server.counters(), self.event_loop.platform.evidence());
        let open = self.server.open_connections() as u64;
        let other = self.neighbour.as_ref().map(Neighbour::counters).copied().unwrap_or_default();
        let pairs = [
            (
                "accepted and refused",
                server.accepted + server.refused + other.accepted + other.refused,
                evidence.accepted,
            ),
            ("aborted early", server.aborted_early + other.aborted_early, evidence.accepts_aborted),
            (
                "accept failures",
                server.accept_failures + other.accept_failures,
                evidence.accepts_failed,
            ),
            ("bytes in", server.bytes_in + other.bytes_in, evidence.bytes_in),
            ("bytes out", server.bytes_out + other.bytes_out, evidence.bytes_out),
            (
                "spurious reads",
                server.reads_spurious + other.reads_spurious,
                evidence.reads_blocked,
            ),
            (
                "close failures",
                server.close_failures + other.close_failures,
                evidence.closes_failed,
            ),
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

    /// Checks that the work of a turn is bounded and that no turn is idle.
    fn check_bounds(&mut self) -> Verdict {
        let (now, limits) = (self.event_loop.context().now(), &self.scenario.limits);
        let (evidence, counters) =
            (self.event_loop.platform.evidence(), self.event_loop.counters());
        let excessive = evidence.reads_excessive;
        ensure!(
            excessive == 0,
            "reads are bounded",
            "{excessive} reads more than events and deadlines of a connection"
        );
        let (accepts, most) = (evidence.accepts_this_turn, limits.accepts_per_turn.max(1));
        let repeated = 1 + u64::from(self.scenario.parameters.repeated_events != 0);
        // The second server accepts 16 at most.
        let others = if self.neighbour.is_some() { 16 * repeated } else { 0 };
        ensure!(
            accepts <= most * repeated + others,
            "accepts are bounded",
            "{accepts} accepts in a turn of at most {most}"
        );
        let excuses = evidence.early_returns + evidence.spurious + evidence.ghosts + evidence.jumps;
        // A platform that is polled cannot tell whom an arrival is for, and so has the loop come
        // for nothing.
        if limits.driven != 0 && now > self.checks.now {
            self.checks.excuse();
        }
        let (progress, early_returns) = (evidence.progress, evidence.early_returns);
        self.checks.quiet_returns += u64::from(self.event_loop.platform.is_quiet());
        let spins = self.checks.spins(now, progress, excuses);
        ensure!(
            !spins,
            "no turn without progress",
            "no progress for {} turns",
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

    /// Checks that slots, registrations and descriptors are those of the open connections.
    fn check_tables(&self) -> Verdict {
        let (live, platform) = (self.event_loop.live_tokens(), &self.event_loop.platform);
        let open = self.server.open_connections();
        let (mut all, mut listeners, mut issued) = (open, self.server.listeners(), 0);
        if let Some(neighbour) = &self.neighbour {
            all += neighbour.server.open_connections();
            listeners += neighbour.server.listeners();
            issued = neighbour.issued();
        }
        let registered = platform.registrations().len();
        let descriptors = platform.network.near_open;
        ensure!(
            live == all + listeners + issued,
            "slots come back",
            "{live} slots for {all} connections, {listeners} listeners and {issued} tokens"
        );
        ensure!(
            registered + issued == live,
            "slots come back",
            "{registered} registrations for {live} slots"
        );
        ensure!(
            descriptors == all,
            "slots come back",
            "{descriptors} descriptors for {all} connections"
        );
        let bounded = open as u64 <= self.scenario.limits.connections_max;
        ensure!(bounded, "the capacity is kept", "{open} connections are open");
        Ok(())
    }

    /// Checks that draining ends soon after its deadline.
    fn check_draining(&mut self) -> Verdict {
        let Some(deadline) = self.drain_until else { return Ok(()) };
        let now = self.event_loop.context().now();
        let second = self.neighbour.as_ref().map(|neighbour| &neighbour.server);
        let others = second.is_none_or(Server::is_drained);
        if now >= deadline && !(self.server.is_drained() && others) {
            self.checks.turns_after_drain += 1;
        }
        ensure!(
            !self.event_loop.is_stopped() || (self.server.is_drained() && others),
            "the loop stops when all have drained",
            "it was stopped while a server is not drained"
        );
        let (late, open) = (self.checks.turns_after_drain, self.server.open_connections());
        let most = 4 * self.checks.turns_late_max;
        ensure!(
            late <= most,
            "draining ends",
            "{open} connections are open {late} turns after the deadline"
        );
        Ok(())
    }

    /// Checks the rules that hold when nothing will happen any more.
    pub(super) fn check_rest(&mut self) -> Verdict {
        let rest = self.rest();
        let waiting = self.event_loop.platform.network.waiting();
        ensure!(
            waiting == 0 || rest.full,
            "the listener wakes up",
            "{waiting} connections are never accepted"
        );
        self.check_finished()?;
        let service = &self.server.service().service;
        let verdict = self.event_loop.platform.client_model.clients.at_rest(service, &rest);
        verdict.map_err(|what| ("no client waits without end", what))?;
        let visitor = self.event_loop.platform.client_model.waits().filter(|_| !rest.full);
        ensure!(visitor.is_none(), "no client waits without end", "{visitor:?}");
        Ok(())
    }

    /// Checks the rules that hold after the drain.
    pub(super) fn check_drained(&mut self) -> Verdict {
        ensure!(
            self.event_loop.is_stopped(),
            "the loop stops when all have drained",
            "it goes on after the drain"
        );
        let context = &mut self.event_loop.context();
        let (live, borrowed) = (context.registry().len(), self.server.blocks_borrowed());
        ensure!(live == 0, "slots come back", "{live} slots are live after the drain");
        ensure!(
            borrowed == 0,
            "blocks come back",
            "{borrowed} blocks are borrowed after the drain"
        );
        context.platform.network.parameters.polled = 0;
        context.platform.network.parameters.ghost_events = 0;
        let now = context.platform.network.now();
        let due = self.event_loop.turn(now, &mut self.server);
        ensure!(due == Ok(None), "timers come back", "after the drain, the loop is due at {due:?}");
        Ok(())
    }
}
