//! The limits of a network.

use core::time::Duration;

/// The limits that a network sets its peers, and itself per poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// The number of frames that one poll takes in at most. With more waiting, the next poll is
    /// due at once, so that a flood of frames does not keep the loop from its other work.
    pub frames_per_poll: usize,
    /// The time that a peer has to complete the connection that it began. Without a bound, each
    /// peer that goes silent in the middle would take a socket for good.
    pub half_open_timeout: Duration,
    /// The time that an outgoing connection attempt may take.
    pub connect_timeout: Duration,
    /// The time that a closed connection may keep its socket: until then its output is sent and
    /// the peer's FIN awaited, afterwards it is reset.
    pub close_timeout: Duration,
    /// The silence after which a peer is probed, and the interval of the probes; `None` for no
    /// probes. While a peer answers, its connection stays, however long it is silent.
    pub keep_alive: Option<Duration>,
    /// The time after which a peer that answers neither probes nor data is gone, and its
    /// connection ends with [`TimedOut`](selkie_core::ErrorKind::TimedOut). Only with
    /// `keep_alive`, and at least twice that.
    ///
    /// smoltcp probes a closed window, and retransmits, at intervals of up to 60 seconds. With a
    /// shorter time a live peer that does not read for minutes is taken for gone.
    pub keep_alive_timeout: Duration,
}

impl Config {
    /// 8 frames a poll, 5 seconds half-open, 30 seconds to connect, 10 seconds to close, a probe
    /// after 15 seconds of silence, and the end after 75 seconds without an answer.
    pub const DEFAULT: Self = Self {
        frames_per_poll: 8,
        half_open_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(30),
        close_timeout: Duration::from_secs(10),
        keep_alive: Some(Duration::from_secs(15)),
        keep_alive_timeout: Duration::from_secs(75),
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
