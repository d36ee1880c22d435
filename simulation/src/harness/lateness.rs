//! Deadlines of connections and of the service: late by no more than full batches explain.

use selkie_core::{Instant, Interest, Service};

use super::drive::{Run, Verdict};
use super::{ADDRESS, Judge};
use crate::network::NEAR;

const RULE: &str = "deadlines are kept";

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// Checks that deadlines are late by no more turns than full batches explain. A deadline of
    /// this very nanosecond may wait while time stands still.
    pub(super) fn check_deadlines(&mut self) -> Verdict {
        let now = self.event_loop.context().now();
        let (limits, most) = (&self.scenario.limits, self.checks.turns_late_max);
        let (idle, stall) = (limits.idle_timeout, limits.stall_timeout);
        // The time counts from after the callback in which bytes moved, which the platform does not
        // know: each has two pauses.
        let slow = if limits.slow_callbacks == 0 { 0 } else { 2 * limits.slow_callback_max };
        let passed = |since: Instant, timeout: u64| {
            let deadline = since.as_nanos().saturating_add(timeout).saturating_add(slow);
            timeout != 0 && deadline < now.as_nanos()
        };
        let platform = &mut self.event_loop.platform;
        for connection in &mut platform.network.connections {
            let evidence = &mut connection.evidence;
            let is_ours = evidence.listener == ADDRESS.0;
            if !connection.ends[NEAR].open || evidence.token.is_none() || !is_ours {
                continue;
            }
            // What ends its own stream may be lingering, which has a deadline of its own.
            // The server stops the clock while it keeps its peer from being read itself. One with
            // output pending may do so for want of a buffer.
            let heard = if limits.is_scarce() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            let armed = evidence.token.and_then(|token| platform.registrations.get(token).ok());
            let is_heard =
                armed.is_some_and(|registration| registration.interest.intersects(heard));
            let idles = !evidence.write_ended && is_heard && passed(evidence.moved_at, idle);
            let stalls = evidence.failed.is_none()
                && evidence
                    .refused_since
                    .is_some_and(|since| !OWNS_BUFFERS && passed(since, stall));
            evidence.overdue_turns = if idles || stalls { evidence.overdue_turns + 1 } else { 0 };
            let late = evidence.overdue_turns;
            if late > most {
                return Err((RULE, alloc::format!("{evidence:?} is overdue at {now:?}")));
            }
        }
        Ok(())
    }

    /// Checks that a timer of the service is late by no more turns than that.
    pub(super) fn check_service_timer(&mut self) -> Verdict {
        let now = self.event_loop.context().now();
        let service = &self.server.service().service;
        let overdue = self.event_loop.platform.client_model.clients.overdue(service, now);
        let overdue = overdue.filter(|_| self.drain_until.is_none());
        let same = overdue.is_some() && overdue == self.checks.service_overdue;
        self.checks.service_overdue = overdue;
        self.checks.service_overdue_turns =
            if same { self.checks.service_overdue_turns + 1 } else { 0 };
        let late = self.checks.service_overdue_turns;
        if late <= self.checks.turns_late_max {
            return Ok(());
        }
        let what = "the service waits for a timer of";
        Err((RULE, alloc::format!("{what} {overdue:?} since {late} turns")))
    }
}
