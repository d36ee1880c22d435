//! The rules for deadlines: none is late.

use core::time::Duration;

use selkie_core::{Instant, Interest, Service};

use super::drive::{Run, Verdict};
use super::observer::Observer;
use super::{ADDRESS, Judge};
use crate::network::{ConnectionEvidence, NEAR};

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// Checks that deadlines are late by no more turns than full batches explain. A deadline of
    /// this very nanosecond may wait while time stands still.
    pub(super) fn check_deadlines(&mut self) -> Verdict {
        let now = self.event_loop.context().now();
        self.check_service_timers(now)?;
        let (limits, most) = (&self.scenario.limits, self.checks.turns_late_max);
        let (idle, stall) = (limits.idle_timeout, limits.stall_timeout);
        let acknowledges = OWNS_BUFFERS && self.scenario.parameters.acknowledges != 0;
        let passed = |since: Instant, timeout: u64| {
            timeout != 0 && since.as_nanos().saturating_add(timeout) < now.as_nanos()
        };
        // The server stops the clock while it keeps a peer from being read itself. Where buffers
        // are few, it may do so for want of one, also with output pending.
        let few = if limits.is_scarce() { Interest::NONE } else { Interest::WRITABLE };
        let heard = Interest::READABLE | few;
        let platform = &mut self.event_loop.platform;
        for connection in &mut platform.network.connections {
            let evidence = &mut connection.evidence;
            let is_ours = evidence.listener == ADDRESS.0 && evidence.token.is_some();
            if !connection.ends[NEAR].open || !is_ours {
                continue;
            }
            count_progress(evidence, self.server.service_mut());
            let armed = evidence.token.and_then(|token| platform.registrations.get(token).ok());
            let is_heard = armed.is_some_and(|entry| entry.interest.intersects(heard));
            // What ends its own stream may be lingering, or waiting for room for the end: both have
            // a deadline of their own.
            let ends = evidence.write_ended || evidence.end_refused;
            let idles = !ends && is_heard && passed(evidence.counted_at, idle);
            // A platform that owns the buffers knows of its room only when it is asked.
            let refused = evidence.refused_since.filter(|_| !OWNS_BUFFERS);
            // A broken connection acknowledges nothing more.
            let awaits = acknowledges && !evidence.write_ended && !connection.ends[NEAR].broken;
            let silent = evidence.unacknowledged_since.filter(|_| awaits);
            let stalls = evidence.failed.is_none()
                && refused.or(silent).is_some_and(|since| passed(since, stall));
            // A byte that moves sets a new deadline, which may be over when the turn is.
            let since = if idles { Some(evidence.moved_at) } else { refused.or(silent) };
            let before = if evidence.overdue_since == since { evidence.overdue_turns } else { 0 };
            evidence.overdue_since = since;
            evidence.overdue_turns = if idles || stalls { before + 1 } else { 0 };
            let late = evidence.overdue_turns;
            ensure!(late <= most, "deadlines are kept", "{evidence:?} is overdue at {now:?}");
        }
        Ok(())
    }

    /// Checks that the service's own timers are late by no more turns than that.
    fn check_service_timers(&mut self, now: Instant) -> Verdict {
        let most = self.checks.turns_late_max;
        let service = &self.server.service().service;
        let overdue = self.event_loop.platform.client_model.clients.overdue(service, now);
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
}

/// Records when the last bytes of a connection count as progress at the latest: at the end of the
/// callbacks of their turn.
fn count_progress<S>(evidence: &mut ConnectionEvidence, observer: &mut Observer<S>) {
    let spent = evidence.token.map_or(0, |token| observer.take_spent(token));
    let moved = (evidence.moved_at, evidence.taken, evidence.written);
    if moved != evidence.counted {
        evidence.counted = moved;
        evidence.counted_at = evidence.moved_at + Duration::from_nanos(spent);
    }
}
