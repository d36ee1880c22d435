//! Ending a server from outside its loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::open::Waker;

/// No drain was asked for.
const NONE: u64 = u64::MAX;

/// Ends a running server, from any thread or from its service. Clones end the same server.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: Arc<Requests>,
    waker: Waker,
}

/// The requests that are not carried out yet.
#[derive(Debug)]
struct Requests {
    /// The nanoseconds that a drain may take, or [`NONE`].
    drain: AtomicU64,
    stop: AtomicBool,
}

impl Handle {
    pub(super) fn new(waker: Waker) -> Self {
        let requests = Requests { drain: AtomicU64::new(NONE), stop: AtomicBool::new(false) };
        Self { requests: Arc::new(requests), waker }
    }

    /// Shuts the server down gracefully: it accepts no more clients, finishes replies in progress,
    /// and closes. What is not finished after `grace` is cut off.
    ///
    /// Returns at once; [`Listening::run`](super::Listening::run) returns when all is closed.
    pub fn drain(&self, grace: Duration) {
        let nanos = u64::try_from(grace.as_nanos()).unwrap_or(NONE).min(NONE - 1);
        self.requests.drain.fetch_min(nanos, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Stops the server at the end of this turn. Connections are closed at once: output that waits
    /// in the server is lost, and a client whose input was not read sees a reset.
    pub fn stop(&self) {
        self.requests.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ends the wait of the server's loop.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Takes the request to drain, and returns the time for it.
    pub(super) fn take_drain(&self) -> Option<Duration> {
        if self.requests.drain.load(Ordering::Relaxed) == NONE {
            return None;
        }
        let nanos = self.requests.drain.swap(NONE, Ordering::AcqRel);
        (nanos != NONE).then(|| Duration::from_nanos(nanos))
    }

    /// Returns whether both end the same server.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.requests, &other.requests)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.requests.stop.load(Ordering::Acquire)
    }
}
