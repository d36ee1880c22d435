//! The counts of the platform: the other half of the server's own counters.

use alloc::vec::Vec;
use core::time::Duration;

use selkie_core::platform::Close;
use selkie_core::{Instant, Token};

use crate::FarEnd;
use crate::network::ConnectionEvidence;
use crate::platform::Source;

/// A near end that was closed, and what was known of it.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The token under which it was registered last, if ever.
    pub token: Option<Token>,
    /// The other end of its connection.
    pub far: FarEnd,
    /// Way in which it was closed.
    pub how: Close,
    /// Evidence about it.
    pub evidence: ConnectionEvidence,
    /// Number of bytes that had arrived and were never read or shown.
    pub unread: usize,
    /// Number of bytes that were read or shown.
    pub offered: u64,
    /// The time at which it was closed.
    pub at: Instant,
}

/// Counts of the platform since its start.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Waits and polls.
    pub turn: u64,
    /// The time at which the last look at all sources began.
    pub looked_at: Instant,
    /// Connections handed out by accept.
    pub accepted: u64,
    /// Accepts that found the connection gone.
    pub accepts_aborted: u64,
    /// Accepts that failed in another way.
    pub accepts_failed: u64,
    /// Accepts in this turn.
    pub accepts_this_turn: u64,
    accepts_turn: u64,
    /// Reads that would have blocked.
    pub reads_blocked: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Closings that reported a failure.
    pub closes_failed: u64,
    /// Waits that were interrupted.
    pub early_returns: u64,
    /// Events for sources that were not ready.
    pub spurious: u64,
    /// Events for tokens that were deregistered.
    pub ghosts: u64,
    /// Jumps of the clock, and times that the process was stopped.
    pub jumps: u64,
    /// The times at which each of these began and ended.
    lost: Vec<(Instant, Instant)>,
    /// Connections that were reset as their listener was closed.
    pub backlog_resets: u64,
    /// Things that got somebody further: bytes, ends, errors, connections.
    pub progress: u64,
    /// The near ends that were closed, until somebody takes them out.
    pub closed: Vec<Closed>,
    /// The tokens that were deregistered, until their source is closed.
    pub(crate) deregistered: Vec<(Source, Token)>,
    /// The most reads of one connection beyond what its events and deadlines of the same turn may
    /// lead to.
    pub reads_excessive: u64,
}

impl Evidence {
    /// Notes that the time from `began` to `ended` was lost to the server at once.
    pub(crate) fn note_jump(&mut self, began: Instant, ended: Instant) {
        self.jumps += 1;
        self.lost.push((began, ended));
    }

    /// Returns how much of the time since `since` was lost to the server.
    pub(crate) fn lost_since(&self, since: Instant) -> Duration {
        // Each ends later than the one before.
        let later = self.lost.iter().rev().take_while(|(_, ended)| *ended > since);
        later.map(|(began, ended)| *ended - since.max(*began)).sum()
    }

    /// Notes an accept, and how many that makes in this turn.
    pub(crate) fn note_accept(&mut self) {
        if self.accepts_turn != self.turn {
            self.accepts_turn = self.turn;
            self.accepts_this_turn = 0;
        }
        self.accepts_this_turn += 1;
    }

    fn this_turn(&self, evidence: &mut ConnectionEvidence) {
        if evidence.turn != self.turn {
            evidence.turn = self.turn;
            evidence.events = 0;
            evidence.reads = 0;
        }
    }

    /// Notes that a connection was reported, or that its deadline expired.
    pub(crate) fn note_event(&self, evidence: &mut ConnectionEvidence) {
        self.this_turn(evidence);
        evidence.events += 1;
    }

    /// Notes that a connection was read, which each of its events may lead to so many times.
    pub(crate) fn note_read(&mut self, evidence: &mut ConnectionEvidence, reads_per_event: u64) {
        self.this_turn(evidence);
        evidence.reads += 1;
        let allowed = evidence.events * reads_per_event;
        self.reads_excessive = self.reads_excessive.max(evidence.reads.saturating_sub(allowed));
    }
}
