//! The conditions that a source is watched for, and how often they are reported.

use crate::bitset::bitset;

bitset! {
    /// The kinds of readiness that a source is watched for.
    ///
    /// [`Interest::NONE`] keeps the source registered and silent: nothing is reported for it, not
    /// even that its peer hung up, until [`modify`](crate::platform::Selector::modify) gives it an
    /// interest again. [`Interest::HANGUP`] alone reports the hang-up and nothing else: that is how
    /// backpressure stops a source without becoming deaf to a peer that is gone.
    ///
    /// The bits are those of [`Readiness`](crate::Readiness).
    pub struct Interest: u8 {
        /// Bytes to read, a connection to accept, or the end of the stream.
        const READABLE = 0x01;
        /// Exceptional data, such as TCP's urgent byte, where
        /// [`Capabilities::PRIORITY`](crate::platform::Capabilities::PRIORITY) says so.
        const PRIORITY = 0x02;
        /// Room to write, or an outgoing connection that is established or failed.
        const WRITABLE = 0x04;
        /// A failure or the end of both directions: [`Readiness::ERROR`](crate::Readiness::ERROR)
        /// and [`Readiness::CLOSED`](crate::Readiness::CLOSED), which every other interest reports
        /// as well. A peer that only ended its own stream is not reported. Where
        /// [`Capabilities::HANGUP`](crate::platform::Capabilities::HANGUP) is missing, registering
        /// this interest alone is [`Unsupported`](crate::ErrorKind::Unsupported), and beside
        /// another one it adds nothing.
        const HANGUP = 0x10;
    }
}

/// The rule by which a source that stays ready is reported again.
///
/// Exhaustive on purpose: a backend must decide on each mode, so a new one must not compile there
/// unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Mode {
    /// Reported by every wait, while it is ready. The default, and safe with partial reads.
    #[default]
    Level = 0,
    /// Once; then silent until [`modify`](crate::platform::Selector::modify) arms it again.
    Oneshot = 1,
    /// Reported when it becomes ready, and not again before something new happened. Only where
    /// [`Capabilities::EDGE`](crate::platform::Capabilities::EDGE) says so; elsewhere
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    Edge = 2,
}
