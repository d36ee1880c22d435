//! The limits of a server.

use core::time::Duration;

/// What a server allows its peers, and itself per turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// How many connections are served at once; more wait in the platform's backlog. The loop's
    /// capacity is a limit too, in which each listener and waker takes one slot.
    pub connections_max: usize,
    /// How long a connection may live without a byte moving on it in either direction; `None` for
    /// ever.
    pub idle_timeout: Option<Duration>,
    /// How long bytes may be owed to a peer without it taking any; `None` for ever. Where the
    /// platform owns the buffers
    /// ([`Transport::OWNS_BUFFERS`](crate::platform::Transport::OWNS_BUFFERS)), the idle timeout serves for
    /// this.
    pub stall_timeout: Option<Duration>,
    /// How long a connection that the server closes waits for the peer's end of the stream after
    /// all was sent; zero closes at once, and risks that a reset overtakes the last bytes if
    /// the peer is still sending.
    pub linger: Duration,
    /// How many connections are accepted from one listener in one turn.
    pub accepts_per_turn: usize,
    /// After how long a listener that could not accept for lack of descriptors or memory is tried
    /// again, if nothing was freed before.
    pub accept_retry: Duration,
}

impl Config {
    /// No limit on connections and idle time, 30 seconds for stalled peers, 2 seconds of lingering,
    /// 16 accepts per turn, a retry after 100 milliseconds.
    pub const DEFAULT: Self = Self {
        connections_max: usize::MAX,
        idle_timeout: None,
        stall_timeout: Some(Duration::from_secs(30)),
        linger: Duration::from_secs(2),
        accepts_per_turn: 16,
        accept_retry: Duration::from_millis(100),
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
