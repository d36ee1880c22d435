//! The contracts between the loop and a platform: [`Selector`], [`Wait`] and [`Wake`].

use core::time::Duration;

use crate::bitset::bitset;
use crate::contract::{Error, Events, Instant, Interest, Mode, Token};

bitset! {
    /// The abilities of a platform beyond the contract that holds everywhere.
    pub struct Capabilities: u16 {
        /// [`Mode::Edge`] works.
        const EDGE = 0x01;
        /// [`Readiness::READ_CLOSED`](crate::Readiness::READ_CLOSED) is reported.
        const READ_CLOSED = 0x02;
        /// [`Readiness::CLOSED`](crate::Readiness::CLOSED) is reported.
        const CLOSED = 0x04;
        /// [`Readiness::ERROR`](crate::Readiness::ERROR) is reported for a source that broke.
        const ERROR = 0x08;
        /// [`Interest::PRIORITY`](crate::Interest::PRIORITY) is watched.
        const PRIORITY = 0x10;
        /// The platform implements [`Wake`].
        const WAKER = 0x20;
        /// [`Interest::HANGUP`](crate::Interest::HANGUP) is watched.
        const HANGUP = 0x40;
        /// [`Transport::check`](crate::platform::Transport::check) can notice a peer that is gone.
        const CHECK = 0x80;
        /// [`Close::Abort`](crate::platform::Close::Abort) sends a reset. Without it an abort drops
        /// what is pending, but the peer may see an orderly end.
        const ABORT = 0x100;
    }
}

/// Watches sources and reports which of them are ready. This is the contract that every backend
/// implements and the conformance suite checks.
///
/// ```text
///            register        modify         deregister
///               |              |                |
///  unknown --> watched ----> watched ------> unknown
///                 |  ^
///            poll |  | poll          an event per wait while ready (level),
///                 v  |               one until modified (oneshot)
///               reported
/// ```
///
/// # What holds on every platform
///
/// * **Readable and writable** may be reported too often, never too seldom. Everything else in
///   [`Readiness`](crate::Readiness) is reported only when true.
/// * **Fairness**: a source that stays ready is reported within `ceil(ready / batch)` calls; no
///   index is favoured.
/// * **A source that broke** is reported on its own token where the platform can tell, and the
///   others go on, also where the system fails the whole call.
/// * **Deregistering** takes effect at once: no later call reports the token. An event that is
///   already in a batch is dropped by the caller, who checks
///   [`Registry::contains`](crate::memory::Registry::contains), as the loop does.
/// * **Errors change nothing**: what was registered stays as it was.
/// * **Allocation**: none after construction.
///
/// Source and token come in every call, so that each backend uses the one it needs and none keeps a
/// map.
pub trait Selector {
    /// The handle of something that can be watched. On a platform that also does I/O, it issues its
    /// sources itself.
    type Source: Copy;

    /// Starts to watch `source`, and reports it under `token` from now on.
    ///
    /// # Errors
    ///
    /// [`Full`](crate::ErrorKind::Full), [`AlreadyRegistered`](crate::ErrorKind::AlreadyRegistered)
    /// (the source or the token), [`Stale`](crate::ErrorKind::Stale),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) (a mode or a kind of
    /// source), [`InvalidSource`](crate::ErrorKind::InvalidSource), or what the platform says.
    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error>;

    /// Changes what a registered source is watched for; arms a oneshot source again.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](crate::ErrorKind::NotRegistered) or [`Stale`](crate::ErrorKind::Stale),
    /// and as [`register`](Self::register).
    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error>;

    /// Stops watching a source. Always before the source is closed.
    ///
    /// That the platform has forgotten the source by itself, since it was closed, is not an error.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](crate::ErrorKind::NotRegistered) or [`Stale`](crate::ErrorKind::Stale).
    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error>;

    /// Adds what is ready now to `events`, as far as there is room. Never blocks.
    ///
    /// # Errors
    ///
    /// What stops the platform as a whole (a broken source is an event), and only if this call
    /// added no event: an error beside events would lose them, and a oneshot source among them
    /// would stay silent for good. A failure that follows events is returned by the next call.
    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error>;

    /// Returns when the platform itself needs to be polled again even if nothing happens: smoltcp's
    /// retransmissions, a simulated network's next arrival. `now` if at once, `None` if never.
    #[inline]
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }

    /// Returns the abilities of the platform beyond the common contract.
    fn capabilities(&self) -> Capabilities;

    /// Returns the number of sources that can be registered at once: tokens with an index below
    /// this are accepted.
    fn capacity(&self) -> usize;
}

/// A selector that can sleep, because its platform has a clock and a way to wait.
pub trait Wait: Selector {
    /// Returns the time. Never earlier than a time that was given before.
    fn now(&mut self) -> Instant;

    /// Adds what is ready to `events`; sleeps until something is, or until `deadline`.
    ///
    /// The deadline is a point in time rather than a span, because most platforms take one, and
    /// because the caller can repeat a wait that ended early without computing what is left. A
    /// wait that ends at its deadline ends at or after it, never before: the platform's clock
    /// step is rounded up. `None` waits until an event or a wake.
    ///
    /// A wait may end early and without events:
    ///
    /// * after a signal (`EINTR`), so that the caller can look at the flags that its signal
    ///   handler set. It is not an error, and the wait is not resumed by the backend;
    /// * at a deadline beyond what the platform can express;
    /// * for no visible reason, but not again and again.
    ///
    /// A wait whose deadline has passed already still looks once for what is ready, as
    /// [`poll`](Selector::poll) does: the loop relies on that look before it judges deadlines.
    ///
    /// # Errors
    ///
    /// [`NothingToWaitFor`](crate::ErrorKind::NothingToWaitFor) if there is no deadline, no armed
    /// source and no waker; otherwise as [`poll`](Selector::poll).
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error>;

    /// Waits as [`wait`](Self::wait) does, for at most `timeout`, counted from now.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    fn wait_for(&mut self, events: &mut Events<'_>, timeout: Duration) -> Result<(), Error> {
        let deadline = self.now() + timeout;
        self.wait(events, Some(deadline))
    }
}

/// A selector that can be woken from outside its own thread: by another thread, or by an interrupt.
pub trait Wake: Selector {
    /// The handle that wakes.
    type Waker;

    /// Makes a waker whose wakes are reported as a readable event of `token`, which must not have a
    /// source. A selector has one waker; clones of it, where it has `Clone`, wake the same
    /// token.
    ///
    /// Wakes between two reports are reported once. A wake before the wait is not lost.
    ///
    /// # Errors
    ///
    /// As [`register`](Selector::register);
    /// [`AlreadyRegistered`](crate::ErrorKind::AlreadyRegistered) if there is a waker already.
    fn waker(&mut self, token: Token) -> Result<Self::Waker, Error>;

    /// Gives the waker of `token` back: its wakes are not reported any more, and
    /// [`waker`](Self::waker) can make a new one. Handles that still exist wake nothing.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`](crate::ErrorKind::NotRegistered) if there is no waker or it has another
    /// index, [`Stale`](crate::ErrorKind::Stale) if it has another generation,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the platform cannot give it back.
    #[inline]
    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        let _ = token;
        Err(Error::new(crate::contract::ErrorKind::Unsupported))
    }
}
