//! The limits of a network.

use core::time::Duration;

/// What a network allows its peers, and itself per poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// How many frames one poll takes in at most. With more waiting, the next poll is due at once,
    /// so that frames that come faster than they are worked off do not keep the loop from its
    /// other work.
    pub frames_per_poll: usize,
    /// How long a peer has to complete the connection that it began. Without a bound, a socket
    /// would be lost to each peer that goes silent in the middle.
    pub half_open_timeout: Duration,
    /// How long an outgoing connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a connection that was closed may hold its socket: until then what is owed is sent
    /// and the peer's end awaited, afterwards it is reset.
    pub close_timeout: Duration,
    /// After how much silence an idle peer is asked whether it is still there; `None` for never.
    /// Nothing is closed for want of an answer, but a peer that forgot the connection resets
    /// it.
    pub keep_alive: Option<Duration>,
}

impl Config {
    /// 8 frames a poll, 5 seconds half-open, 30 seconds to connect, 10 seconds to close, no
    /// keep-alive.
    pub const DEFAULT: Self = Self {
        frames_per_poll: 8,
        half_open_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(30),
        close_timeout: Duration::from_secs(10),
        keep_alive: None,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
