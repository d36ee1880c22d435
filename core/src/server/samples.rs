//! The counts of a server as text.

use core::fmt;

use super::counters::{CloseReason, Counters};

/// One count, with its name in the text format of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    name: &'static str,
    reason: Option<CloseReason>,
    /// True if the count can fall.
    is_gauge: bool,
    value: u64,
}

impl Sample {
    /// Returns the text in front of the value, in pieces: the type, once for each name, and the
    /// name with its label. Behind the value there is a line feed.
    #[must_use]
    pub fn pieces(&self) -> [&'static str; 7] {
        let kind = if self.is_gauge { " gauge\n" } else { " counter\n" };
        let (label, reason, end) = match self.reason {
            Some(reason) => ("{reason=\"", reason.name(), "\"} "),
            None => (" ", "", ""),
        };
        match self.reason {
            // The type is said once, in front of the first reason.
            Some(reason) if reason != CloseReason::ALL[0] => {
                ["", "", "", self.name, label, reason.name(), end]
            }
            _ => ["# TYPE ", self.name, kind, self.name, label, reason, end],
        }
    }

    /// Returns the count.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.pieces() {
            formatter.write_str(piece)?;
        }
        writeln!(formatter, "{}", self.value)
    }
}

impl Counters {
    /// Returns all counts, each with its name. Displayed one after the other they are what a
    /// Prometheus server reads:
    ///
    /// ```
    /// use selkie_core::Counters;
    ///
    /// let mut text = String::new();
    /// for sample in Counters::default().samples() {
    ///     text += &sample.to_string();
    /// }
    /// assert!(text.starts_with("# TYPE selkie_connections_open gauge\n"));
    /// assert!(text.contains("selkie_closed_total{reason=\"idle\"} 0\n"));
    /// ```
    pub fn samples(&self) -> impl Iterator<Item = Sample> + use<> {
        let began = self.accepted.saturating_add(self.connects);
        let open = began.saturating_sub(self.closed_total());
        let plain = [
            ("selkie_connections_open", true, open),
            ("selkie_connections_open_max", true, self.open_max),
            ("selkie_buffers_max", true, self.blocks_max),
            ("selkie_accepted_total", false, self.accepted),
            ("selkie_connects_total", false, self.connects),
            ("selkie_refused_total", false, self.refused),
            ("selkie_aborted_early_total", false, self.aborted_early),
            ("selkie_accept_failures_total", false, self.accept_failures),
            ("selkie_accept_pauses_total", false, self.accept_pauses),
            ("selkie_close_failures_total", false, self.close_failures),
            ("selkie_received_bytes_total", false, self.bytes_in),
            ("selkie_sent_bytes_total", false, self.bytes_out),
            ("selkie_spurious_reads_total", false, self.reads_spurious),
            ("selkie_buffer_waits_total", false, self.buffer_waits),
        ];
        let plain = plain.into_iter().map(|(name, is_gauge, value)| Sample {
            name,
            reason: None,
            is_gauge,
            value,
        });
        let closed = CloseReason::ALL.into_iter().zip(self.closed);
        plain.chain(closed.map(|(reason, value)| Sample {
            name: "selkie_closed_total",
            reason: Some(reason),
            is_gauge: false,
            value,
        }))
    }
}
