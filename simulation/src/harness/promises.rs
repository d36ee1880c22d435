//! The promises of a server that the platform can judge: nothing waits unseen, and time is judged
//! after a look.

use core::time::Duration;

use selkie_core::platform::{Capabilities, Selector};
use selkie_core::{CloseReason, Instant, Service};

use super::Judge;
use super::drive::{Run, Verdict};
use super::observer::Left;
use crate::Closed;
use crate::network::NEAR;

/// Time after which a peer that is gone must have been noticed: the interval of checks, and one
/// second.
const NOTICE: Duration = Duration::from_secs(6);

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// Checks that a peer that is gone is noticed, also while nothing is read or written.
    pub(super) fn check_notice(&mut self) -> Verdict {
        let platform = &mut self.event_loop.platform;
        let notices = Capabilities::HANGUP | Capabilities::CHECK;
        if !platform.capabilities().intersects(notices) {
            return Ok(());
        }
        // What waits for a buffer is not watched, and waits as long as each other has its grace.
        let limits = &self.scenario.limits;
        let waits = limits.buffer_grace.saturating_mul(limits.slots);
        let latest = NOTICE + Duration::from_nanos(if OWNS_BUFFERS { 0 } else { waits });
        let is_scarce = limits.is_scarce();
        let most = self.checks.turns_late_max + if is_scarce { 16 * limits.slots } else { 0 };
        let now = platform.network.now();
        let counters = &platform.evidence;
        for connection in &mut platform.network.connections {
            let evidence = &mut connection.evidence;
            if !connection.ends[NEAR].open || evidence.token.is_none() || evidence.noticed {
                continue;
            }
            // It may have been gone when it was accepted, and what arrived before is read first.
            let heard = evidence.opened_at.max(evidence.moved_at);
            let broken = evidence.broken_at.map(|broken| broken.max(heard));
            // One in line is served in each grace, and no more in one that a jump of the clock has
            // made longer.
            let lost = |since| if is_scarce { counters.lost_since(since) } else { Duration::ZERO };
            let is_late = broken.is_some_and(|since| now - since > latest + lost(since));
            evidence.deaf_turns = if is_late { evidence.deaf_turns + 1 } else { 0 };
            if evidence.deaf_turns > most {
                return Err((
                    "a peer that is gone is noticed",
                    alloc::format!("at {now:?} nothing was noticed of {evidence:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Checks that a connection was closed only after a look that was newer than its deadline,
    /// and with nothing that was received left unread.
    pub(super) fn check_last_look(
        &self,
        closed: &Closed,
        reason: CloseReason,
        left: Left,
    ) -> Verdict {
        let evidence = &closed.evidence;
        let is_cut_off = self.drain_until.is_some_and(|deadline| deadline <= closed.at);
        let (holds, rule) = match reason {
            CloseReason::Idle | CloseReason::Stalled => {
                (self.is_judged_after_look(closed, reason, left), "time is judged after a look")
            }
            CloseReason::Reset | CloseReason::Failed => (
                // A service that takes nothing, as it cannot answer, is offered nothing more; nor
                // is one whose connection cannot be watched.
                !evidence.write_failed
                    || self.is_read(closed, left)
                    || is_cut_off
                    || evidence.unwatchable
                    || (left.count > 0 && left.took_nothing),
                "what was received is offered after a failed write",
            ),
            CloseReason::Drained => (
                // A service that takes nothing of a full input buffer is offered nothing more.
                closed.offered >= evidence.arrived_before_drain
                    // A reset may have thrown the rest away.
                    || closed.unread == 0
                    || is_cut_off
                    || left.told_when_full,
                "a drain serves what was received",
            ),
            _ => (true, ""),
        };
        if holds {
            return Ok(());
        }
        Err((rule, alloc::format!("{:?} was {reason}: {closed:?}, {left:?}", closed.token)))
    }

    /// Returns whether all was read that arrived before a service had its connection closed: what
    /// arrives later is of no use.
    fn is_read(&self, closed: &Closed, left: Left) -> bool {
        let clients = &self.event_loop.platform.client_model.clients;
        let service = &self.server.service().service;
        let is_dismissed = closed.token.is_some_and(|token| clients.is_dismissed(service, token));
        closed.unread == 0 || is_dismissed || left.drain_told
    }

    /// Returns whether a connection that is closed as idle or stalled was looked at after its
    /// deadline.
    fn is_judged_after_look(&self, closed: &Closed, reason: CloseReason, left: Left) -> bool {
        let (limits, evidence) = (&self.scenario.limits, &closed.evidence);
        let after = |then: Instant, nanos: u64| then + Duration::from_nanos(nanos);
        let refused_since = evidence.refused_since;
        if reason == CloseReason::Stalled {
            let stalled_since = self.stalled_since(evidence).unwrap_or_default();
            let stalled = after(stalled_since, limits.stall_timeout);
            return evidence.tried_at >= stalled;
        }
        let idle = after(evidence.moved_at, limits.idle_timeout);
        // A full input buffer has no room to read into: there the peer has to take what is pending.
        let is_blocked = left.is_full && refused_since.is_some() && evidence.tried_at >= idle;
        self.is_read(closed, left) || evidence.looked_at >= idle || is_blocked
    }

    /// Checks, at rest, that no connection is open of which both directions have ended.
    pub(super) fn check_finished(&self) -> Verdict {
        for connection in &self.event_loop.platform.network.connections {
            let evidence = &connection.evidence;
            let is_registered = connection.ends[NEAR].open && evidence.token.is_some();
            if is_registered && evidence.end_read && evidence.write_ended {
                return Err((
                    "a finished connection is closed",
                    alloc::format!("both directions have ended of {evidence:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Checks that clients in the backlog were not reset by a drain with time left.
    pub(super) fn check_backlog(&mut self) -> Verdict {
        let resets = self.event_loop.platform.evidence().backlog_resets;
        let before = core::mem::replace(&mut self.checks.backlog_resets, resets);
        let now = self.event_loop.platform.network.now();
        if resets > before && self.drain_until.is_some_and(|deadline| now < deadline) {
            let reset = resets - before;
            return Err((
                "a drain serves the backlog",
                alloc::format!("{reset} connections were reset in the backlog"),
            ));
        }
        Ok(())
    }

    /// Notes for each connection the bytes that have arrived before draining began.
    pub(super) fn note_drain(&mut self) {
        for connection in &mut self.event_loop.platform.network.connections {
            connection.evidence.arrived_before_drain = connection.pipes[NEAR].arrived_total();
        }
    }
}
