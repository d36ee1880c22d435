//! The rules for each end of a stream and each close.

use selkie_core::platform::Close;
use selkie_core::{CloseReason, ErrorKind, Instant, Service};

use super::drive::{Run, Verdict};
use super::{ADDRESS, Judge};
use crate::Closed;
use crate::network::ConnectionEvidence;

impl<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>
    Run<'_, S, F, OWNS_BUFFERS, READS_ON>
{
    /// Checks that a service was offered every byte before `read_closed`.
    pub(super) fn check_ends(&mut self) -> Verdict {
        for (token, offered, taken) in self.server.service_mut().ends.drain(..) {
            let platform = &self.event_loop.platform;
            let closed =
                platform.evidence.closed.iter().map(|closed| (closed.token, &closed.evidence));
            let open = platform
                .network
                .connections
                .iter()
                .map(|open| (open.evidence.token, &open.evidence));
            let arrived = closed
                .chain(open)
                .find(|(found, _)| *found == Some(token))
                .map(|(_, evidence)| evidence.arrived_total);
            ensure!(
                // A reset may throw away what was shown already.
                arrived.is_some_and(|arrived| offered >= arrived),
                "all is offered before the end",
                "{token:?} was told of the end after {offered} of {arrived:?} bytes"
            );
            ensure!(
                // What a reset has thrown away is not counted any more.
                taken.is_ok() || self.scenario.parameters.reset_discards != 0,
                "the count of untaken bytes is right",
                "{token:?} was told of {taken:?} of {offered} bytes"
            );
        }
        Ok(())
    }

    /// Checks that each close of the service matches one of the platform, for a reason that the
    /// platform knows.
    pub(super) fn check_closings(&mut self) -> Verdict {
        let now = self.event_loop.context().now();
        for position in 0..self.server.service().closings.len() {
            let (token, reason, left) = self.server.service().closings[position];
            let platform = &mut self.event_loop.platform;
            let found =
                platform.evidence.closed.iter().position(|closed| closed.token == Some(token));
            let Some(found) = found else {
                return Err((
                    "slots come back",
                    alloc::format!("{token:?} was {reason}, and is not closed"),
                ));
            };
            let closed = platform.evidence.closed.swap_remove(found);
            self.check_reason(&closed, reason, now)?;
            self.check_last_look(&closed, reason, left)?;
            let service = &self.server.service().service;
            let verdict = self
                .event_loop
                .platform
                .client_model
                .clients
                .server_closed(service, &closed, reason);
            verdict.map_err(|what| ("replies are complete", what))?;
        }
        self.server.service_mut().closings.clear();
        // What is left was refused before the service knew of it.
        let refused = self
            .event_loop
            .platform
            .evidence
            .closed
            .drain(..)
            .filter(|closed| closed.token.is_some() && closed.evidence.listener == ADDRESS.0);
        let refused = refused.count();
        ensure!(
            refused == 0,
            "calls come in order",
            "{refused} connections were closed without a call"
        );
        Ok(())
    }

    /// Checks that the platform has evidence for the reason of a close.
    fn check_reason(&self, closed: &Closed, reason: CloseReason, now: Instant) -> Verdict {
        let evidence = &closed.evidence;
        let told =
            |kinds: &[ErrorKind]| evidence.failed.is_some_and(|failed| kinds.contains(&failed));
        let reset = [
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
            ErrorKind::ConnectionAborted,
            ErrorKind::NotConnected,
        ];
        let holds = match reason {
            CloseReason::Finished => evidence.end_read,
            // After a hang-up it does not matter how it is closed.
            CloseReason::Closed => {
                let has_hung_up = evidence.write_ended && evidence.noticed;
                closed.how == Close::Graceful || evidence.failed.is_some() || has_hung_up
            }
            CloseReason::Aborted => closed.how == Close::Abort,
            // A hang-up is told by an event, or by a failure.
            CloseReason::Reset => evidence.noticed || told(&reset),
            CloseReason::Failed => {
                evidence.unwatchable || (evidence.failed.is_some() && !told(&reset))
            }
            CloseReason::BufferNeeded => self.server.counters().buffer_waits > 0,
            CloseReason::Drained => self.drain_until.is_some(),
            // A peer that was sent everything, the end included, is not expelled.
            CloseReason::Expelled => {
                !evidence.write_ended && self.drain_until.is_some_and(|deadline| deadline <= now)
            }
            timed_out => self.has_timed_out(closed, timed_out, now),
        };
        ensure!(
            holds,
            "connections close for a reason",
            "{:?} was {reason} at {now:?}: {evidence:?}, {:?}",
            closed.token,
            closed.how
        );
        Ok(())
    }

    /// Returns since when a peer has taken nothing, as far as the platform can tell.
    pub(super) fn stalled_since(&self, evidence: &ConnectionEvidence) -> Option<Instant> {
        let tells = OWNS_BUFFERS && self.scenario.parameters.acknowledges != 0;
        let silent = evidence.unacknowledged_since.filter(|_| tells);
        Instant::earlier(evidence.refused_since, silent)
    }

    /// Returns whether a timeout has passed for which a connection was closed.
    fn has_timed_out(&self, closed: &Closed, reason: CloseReason, now: Instant) -> bool {
        let (limits, evidence) = (&self.scenario.limits, &closed.evidence);
        let input = [limits.stall_timeout, limits.input_timeout];
        let (since, timeout) = match reason {
            CloseReason::Idle => (Some(evidence.moved_at), limits.idle_timeout),
            CloseReason::Stalled => (self.stalled_since(evidence), limits.stall_timeout),
            // Without one of its own, the timeout is that of stalled peers.
            CloseReason::InputNotTaken => {
                (Some(evidence.opened_at), input[usize::from(limits.input_timeout != 0)])
            }
            // A reason without a rule is a fault of this check.
            _ => (None, 0),
        };
        let span = since.map_or(0, |since| now.saturating_since(since).as_nanos());
        timeout != 0 && span >= u128::from(timeout)
    }
}
