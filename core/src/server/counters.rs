//! Counts of the server, also as text, and why connections close.

use core::fmt;

use crate::compact::compact;

/// The reason why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer ended its stream, and all output was handed to the platform.
    Finished = 0,
    /// The service closed it.
    Closed = 1,
    /// The service aborted it.
    Aborted = 2,
    /// The peer reset it, or is gone.
    Reset = 3,
    /// The platform failed on it in another way.
    Failed = 4,
    /// No byte moved for the idle timeout.
    Idle = 5,
    /// Output was pending, and the peer took none of it for the stall timeout.
    Stalled = 6,
    /// The server drained, and all output was handed to the platform.
    Drained = 7,
    /// The server drained, and its deadline passed before the connection was done.
    Expelled = 8,
    /// The service took nothing of its input for the input timeout.
    InputNotTaken = 9,
    /// Another connection waited for a buffer for longer than the grace, and this one had held one
    /// longest.
    BufferNeeded = 10,
    /// A connection that the service asked for was refused by the peer's host.
    Refused = 11,
    /// A connection that the service asked for was not established within the connect timeout, or
    /// the platform gave up.
    TimedOut = 12,
    /// A connection that the service asked for leads to a host or network that cannot be reached.
    Unreachable = 13,
    /// The platform does not allow a connection that the service asked for.
    Denied = 14,
}

impl CloseReason {
    /// Every reason, in the order of [`Counters::closed`].
    pub const ALL: [Self; 15] = [
        Self::Finished,
        Self::Closed,
        Self::Aborted,
        Self::Reset,
        Self::Failed,
        Self::Idle,
        Self::Stalled,
        Self::Drained,
        Self::Expelled,
        Self::InputNotTaken,
        Self::BufferNeeded,
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::Denied,
    ];

    /// Returns the reason as one lower-case word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Closed => "closed",
            Self::Aborted => "aborted",
            Self::Reset => "reset",
            Self::Failed => "failed",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Drained => "drained",
            Self::Expelled => "expelled",
            Self::InputNotTaken => "input-not-taken",
            Self::BufferNeeded => "buffer-needed",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
        }
    }
}

impl core::fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The counts of a server since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were served, now or earlier.
    pub accepted: u64,
    /// Connections that the service asked for, established or not.
    pub connects: u64,
    /// Connections that were taken from a listener and closed at once, as they could not be
    /// registered.
    pub refused: u64,
    /// Connections that were reset when they were accepted, as their address had
    /// [as many as it may](crate::Config::connections_per_address).
    pub refused_by_address: u64,
    /// Times that a listener was disarmed because of
    /// [`Config::accepts_per_second`](crate::Config::accepts_per_second).
    pub accepts_delayed: u64,
    /// Times that a connection was not read from because of
    /// [`Config::bytes_per_second`](crate::Config::bytes_per_second).
    pub reads_delayed: u64,
    /// Connections that were gone before they were taken from a listener.
    pub aborted_early: u64,
    /// Times that a listener could not accept for lack of descriptors, memory and the like.
    pub accept_failures: u64,
    /// Times that a listener was disarmed because every connection was in use.
    pub accept_pauses: u64,
    /// Connections that were closed, by [`CloseReason`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Connections that were [released](crate::Server::release) to the server's user.
    pub released: u64,
    /// Messages of a [`Mailbox`](crate::mailbox::Mailbox) whose connection was gone.
    pub messages_dropped: u64,
    /// Connections whose closing the platform complained about.
    pub close_failures: u64,
    /// Bytes that were read.
    pub bytes_in: u64,
    /// Bytes that were handed to the platform.
    pub bytes_out: u64,
    /// Reads that found nothing, after readiness was reported: about one for each message where a
    /// source is readable [until then](crate::platform::Transport::READABLE_UNTIL_EMPTY), few
    /// elsewhere.
    pub reads_spurious: u64,
    /// Times that a connection had to wait for a block of the pool.
    pub buffer_waits: u64,
    /// The most connections that were open at once.
    pub open_max: u64,
    /// The most blocks that were borrowed at once.
    pub blocks_max: u64,
}

impl Counters {
    /// Nothing was counted.
    pub(super) const NONE: Self = Self {
        accepted: 0,
        connects: 0,
        refused: 0,
        refused_by_address: 0,
        accepts_delayed: 0,
        reads_delayed: 0,
        aborted_early: 0,
        accept_failures: 0,
        accept_pauses: 0,
        closed: [0; CloseReason::ALL.len()],
        released: 0,
        messages_dropped: 0,
        close_failures: 0,
        bytes_in: 0,
        bytes_out: 0,
        reads_spurious: 0,
        buffer_waits: 0,
        open_max: 0,
        blocks_max: 0,
    };

    /// Returns the number of connections that were closed for this reason.
    #[must_use]
    pub const fn closed_for(&self, reason: CloseReason) -> u64 {
        // The array is in the order of the reasons' numbers.
        self.closed[reason as usize]
    }

    /// Returns the number of connections that were closed.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().sum()
    }
}

impl core::ops::AddAssign for Counters {
    /// Adds the counters of another server. A greatest number at once is the sum too, as the
    /// servers need not have had it at the same time.
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.connects += other.connects;
        self.released += other.released;
        self.messages_dropped += other.messages_dropped;
        self.refused += other.refused;
        self.refused_by_address += other.refused_by_address;
        self.accepts_delayed += other.accepts_delayed;
        self.reads_delayed += other.reads_delayed;
        self.aborted_early += other.aborted_early;
        self.accept_failures += other.accept_failures;
        self.accept_pauses += other.accept_pauses;
        for (closed, more) in self.closed.iter_mut().zip(other.closed) {
            *closed += more;
        }
        self.close_failures += other.close_failures;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.reads_spurious += other.reads_spurious;
        self.buffer_waits += other.buffer_waits;
        self.open_max += other.open_max;
        self.blocks_max += other.blocks_max;
    }
}

compact! {
    /// Adds to a counter. In one place where size counts: 64 bits take several instructions there.
    pub(super) fn bump(counter: &mut u64, more: usize) {
        *counter += more as u64;
    }
}

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
        // Pieces of constant text, as core has no memory to put them together in.
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
        // Anyone can make a value of this type, so it need not add up.
        let open = began.saturating_sub(self.closed_total()).saturating_sub(self.released);
        let plain = [
            ("selkie_connections_open", true, open),
            ("selkie_connections_open_max", true, self.open_max),
            ("selkie_buffers_max", true, self.blocks_max),
            ("selkie_accepted_total", false, self.accepted),
            ("selkie_connects_total", false, self.connects),
            ("selkie_refused_total", false, self.refused),
            ("selkie_refused_by_address_total", false, self.refused_by_address),
            ("selkie_accepts_delayed_total", false, self.accepts_delayed),
            ("selkie_reads_delayed_total", false, self.reads_delayed),
            ("selkie_aborted_early_total", false, self.aborted_early),
            ("selkie_accept_failures_total", false, self.accept_failures),
            ("selkie_accept_pauses_total", false, self.accept_pauses),
            ("selkie_released_total", false, self.released),
            ("selkie_messages_dropped_total", false, self.messages_dropped),
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
        // One sample for each reason, which is its label.
        let closed = CloseReason::ALL.into_iter().zip(self.closed);
        plain.chain(closed.map(|(reason, value)| Sample {
            name: "selkie_closed_total",
            reason: Some(reason),
            is_gauge: false,
            value,
        }))
    }
}
