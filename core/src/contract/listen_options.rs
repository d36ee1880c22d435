//! The options of a listener.

use core::time::Duration;

/// The options of a listener, the same by default on every platform.
///
/// ```
/// use core::time::Duration;
/// use selkie_core::platform::{KeepAlive, ListenOptions};
///
/// const OPTIONS: ListenOptions = ListenOptions::DEFAULT
///     .backlog(128)
///     .keep_alive(Some(KeepAlive::DEFAULT.idle(Duration::from_secs(300))));
/// assert!(OPTIONS.is_v6_only() && !OPTIONS.reuses_port());
/// ```
///
/// A platform without one of these ignores it if it concerns speed or silence (`no_delay`,
/// `keep_alive`), and otherwise answers [`Unsupported`](crate::ErrorKind::Unsupported).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenOptions {
    backlog: u32,
    reuse_port: bool,
    v6_only: bool,
    no_delay: bool,
    keep_alive: Option<KeepAlive>,
}

impl ListenOptions {
    /// A backlog of 4,096, a port of its own, IPv6 alone at an IPv6 address, no delay of small
    /// packets, and [`KeepAlive::DEFAULT`].
    pub const DEFAULT: Self = Self {
        backlog: 4096,
        reuse_port: false,
        v6_only: true,
        no_delay: true,
        keep_alive: Some(KeepAlive::DEFAULT),
    };

    /// Sets the number of connections that may wait to be accepted. The platform may have a lower
    /// limit.
    #[must_use]
    pub const fn backlog(self, backlog: u32) -> Self {
        Self { backlog, ..self }
    }

    /// Sets whether other listeners may be opened at the same address, by this user, among which
    /// the platform shares out the connections (`SO_REUSEPORT`).
    #[must_use]
    pub const fn reuse_port(self, reuse_port: bool) -> Self {
        Self { reuse_port, ..self }
    }

    /// Sets whether a listener at an IPv6 address takes IPv6 clients only. Otherwise IPv4 clients
    /// have addresses such as `::ffff:192.0.2.1`.
    #[must_use]
    pub const fn v6_only(self, v6_only: bool) -> Self {
        Self { v6_only, ..self }
    }

    /// Sets whether accepted connections send small packets at once (`TCP_NODELAY`).
    #[must_use]
    pub const fn no_delay(self, no_delay: bool) -> Self {
        Self { no_delay, ..self }
    }

    /// Sets the probes to silent peers of accepted connections; `None` for never. Without it, a
    /// peer that vanishes without a packet keeps its slot until something is sent to it.
    #[must_use]
    pub const fn keep_alive(self, keep_alive: Option<KeepAlive>) -> Self {
        Self { keep_alive, ..self }
    }

    /// Returns the number of connections that may wait to be accepted.
    #[must_use]
    pub const fn backlog_max(&self) -> u32 {
        self.backlog
    }

    /// Returns whether other listeners may be opened at the same address.
    #[must_use]
    pub const fn reuses_port(&self) -> bool {
        self.reuse_port
    }

    /// Returns whether an IPv6 address takes IPv6 clients only.
    #[must_use]
    pub const fn is_v6_only(&self) -> bool {
        self.v6_only
    }

    /// Returns whether small packets are sent at once.
    #[must_use]
    pub const fn has_no_delay(&self) -> bool {
        self.no_delay
    }

    /// Returns the probes to silent peers.
    #[must_use]
    pub const fn probes(&self) -> Option<KeepAlive> {
        self.keep_alive
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The times of probes to a silent peer, and the number of unanswered ones after which it is gone.
/// Platforms count in whole seconds, and round up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct KeepAlive {
    idle: Duration,
    interval: Duration,
    count: u8,
}

impl KeepAlive {
    /// Probes after 60 seconds of silence, every 10 seconds, at most 6: a peer that vanishes is
    /// noticed after two minutes.
    pub const DEFAULT: Self =
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 6 };

    /// Sets the silence before the first probe.
    #[must_use]
    pub const fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Sets the time between two probes.
    #[must_use]
    pub const fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets the number of unanswered probes that mean that the peer is gone; at least 1.
    #[must_use]
    pub const fn count(self, count: u8) -> Self {
        Self { count: if count == 0 { 1 } else { count }, ..self }
    }

    /// Returns the silence before the first probe, in seconds: at least 1.
    #[must_use]
    pub const fn idle_seconds(&self) -> u32 {
        seconds(self.idle)
    }

    /// Returns the time between two probes, in seconds: at least 1.
    #[must_use]
    pub const fn interval_seconds(&self) -> u32 {
        seconds(self.interval)
    }

    /// Returns the number of unanswered probes that mean that the peer is gone.
    #[must_use]
    pub const fn probes_max(&self) -> u8 {
        self.count
    }
}

/// Returns a time in seconds, rounded up, and within what systems take: Linux has 15 bits.
#[expect(clippy::cast_possible_truncation, reason = "the result is below 2^15")]
const fn seconds(time: Duration) -> u32 {
    const MAX: u64 = 32_767;
    let rounded = time.as_secs().saturating_add((time.subsec_nanos() > 0) as u64);
    match rounded {
        0 => 1,
        MAX.. => MAX as u32,
        _ => rounded as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_within_the_limits_of_systems() {
        let given = |idle| KeepAlive::DEFAULT.idle(idle).idle_seconds();
        assert_eq!(given(Duration::ZERO), 1);
        assert_eq!(given(Duration::from_millis(1001)), 2);
        assert_eq!(given(Duration::MAX), 32_767);
        assert_eq!(KeepAlive::DEFAULT.count(0).probes_max(), 1);
    }
}
