//! Ending a wait from another thread, or from a signal handler.

use std::sync::Arc;

use selkie_core::{Error, Token};

use crate::sys::source::RawSource;
use crate::sys::wake::Channel;

/// Wakes a selector: its wait ends, and reports the token that the waker was made with as readable.
///
/// Clones wake the same token. Wakes between two reports are reported once; none is lost.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Channel>);

impl Waker {
    /// Wakes the selector. Never blocks, never fails, and may be called in a signal handler.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// Returns the channel.
    #[cfg(unix)]
    pub(crate) fn channel(&self) -> &Channel {
        &self.0
    }
}

/// The selector's side of a waker.
#[derive(Debug)]
pub(crate) struct WakeSource {
    channel: Arc<Channel>,
    token: Token,
}

impl WakeSource {
    /// Makes a source of wakes that are reported under `token`.
    pub(crate) fn new(token: Token) -> Result<Self, Error> {
        Ok(Self { channel: Arc::new(Channel::new()?), token })
    }

    /// Makes a source of the wakes of a channel.
    #[cfg(has_afd)]
    pub(crate) fn over(channel: Channel, token: Token) -> Self {
        Self { channel: Arc::new(channel), token }
    }

    /// Returns a handle that wakes it.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.channel))
    }

    /// Returns the source that becomes readable.
    pub(crate) fn source(&self) -> RawSource {
        self.channel.source()
    }

    /// Returns the token that wakes are reported under.
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Reads the wakes that are being reported.
    pub(crate) fn drain(&self) {
        self.channel.drain();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll;

    fn is_readable(source: &WakeSource) -> bool {
        poll::is_readable(source.source())
    }

    #[test]
    fn wakes_coalesce_until_they_are_drained() {
        let source = WakeSource::new(Token::new(0, 1)).unwrap();
        let waker = source.waker();
        assert!(!is_readable(&source));
        waker.wake();
        waker.clone().wake();
        assert!(is_readable(&source));
        source.drain();
        assert!(!is_readable(&source));
    }

    #[test]
    fn a_waker_may_outlive_its_selector() {
        let source = WakeSource::new(Token::new(0, 1)).unwrap();
        let waker = source.waker();
        drop(source);
        waker.wake();
    }
}
