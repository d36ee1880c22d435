//! Messages to the connections of a server, from any thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use selkie_core::mailbox::{Mailbox, Receives};
use selkie_core::memory::ServerMemory;
use selkie_core::platform::Transport;
use selkie_core::{Context, Server, Token};

use super::handle::Handle;

/// Up to `N` messages on their way to the connections of a server: results of worker threads, or
/// anything else that other threads have for a client. `N` is a power of two, from 2 on.
///
/// [`Listening::postbox`](super::Listening::postbox) makes it, each thread gets a clone, and
/// [`Listening::run_receiving`](super::Listening::run_receiving) delivers what is posted. The loop
/// is woken by posting, once for all messages that it has not seen yet.
///
/// ```
/// use selkie::mailbox::Receives;
/// use selkie::{Builder, Peer, Service, Token};
///
/// /// Has the length of everything that is said worked out by another thread.
/// struct Lengths(std::sync::mpsc::SyncSender<(Token, Vec<u8>)>);
///
/// impl Service for Lengths {
///     type Session = ();
///
///     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
///         let job = (peer.token(), bytes.to_vec());
///         // Without room the bytes are left, and offered again.
///         self.0.try_send(job).map_or(0, |()| bytes.len())
///     }
/// }
///
/// impl Receives<usize> for Lengths {
///     fn message(&mut self, peer: &mut Peer<'_>, (): &mut (), length: usize) {
///         let _ = peer.send(format!("{length}\n").as_bytes());
///     }
/// }
///
/// let server = Builder::new().listen("127.0.0.1:0".parse()?)?;
/// let postbox = server.postbox::<usize, 64>();
/// let (jobs, queue) = std::sync::mpsc::sync_channel::<(Token, Vec<u8>)>(64);
/// let results = postbox.clone();
/// std::thread::spawn(move || {
///     for (client, bytes) in queue {
///         if results.post(client, bytes.len()).is_err() {
///             // The postbox is full: wait and try again, or let the client ask again.
///         }
///     }
/// });
/// # server.handle().stop();
/// server.run_receiving(Lengths(jobs), &postbox)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Postbox<M, const N: usize> {
    shared: Arc<Shared<M, N>>,
    handle: Handle,
}

struct Shared<M, const N: usize> {
    mailbox: Mailbox<M, N>,
    /// The loop was woken, and has not begun to deliver since.
    is_announced: AtomicBool,
}

impl<M, const N: usize> Postbox<M, N> {
    pub(super) fn new(handle: Handle) -> Self {
        let shared = Shared { mailbox: Mailbox::new(), is_announced: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), handle }
    }

    /// Posts a message for the connection that `token` names, and wakes the server's loop. It is
    /// delivered by [`Receives::message`]; if that connection is gone by then, it is dropped and
    /// [counted](selkie_core::Counters::messages_dropped).
    ///
    /// # Errors
    ///
    /// The message itself, if `N` others wait.
    pub fn post(&self, token: Token, message: M) -> Result<(), M> {
        self.shared.mailbox.post(token, message)?;
        // After the post, so that the delivery which clears it finds the message.
        if !self.shared.is_announced.swap(true, Ordering::AcqRel) {
            self.handle.wake();
        }
        Ok(())
    }

    /// Panics if the server of `handle` has not made this postbox.
    pub(super) fn assert_made_by(&self, handle: &Handle) {
        let is_own = self.handle.is_same(handle);
        assert!(is_own, "a server delivers from a postbox that it has made itself");
    }

    /// Delivers what was posted, if anything was.
    pub(super) fn deliver<P, S, T>(
        &self,
        server: &mut Server<P, S, T>,
        context: &mut Context<'_, P>,
    ) where
        P: Transport,
        S: Receives<M>,
        T: ServerMemory<P::Source, S::Session>,
    {
        if !self.shared.is_announced.load(Ordering::Relaxed) {
            return;
        }
        // Before the messages are taken out: one that is posted meanwhile wakes the loop again.
        if self.shared.is_announced.swap(false, Ordering::AcqRel) {
            server.deliver(context, &self.shared.mailbox);
        }
    }
}

impl<M, const N: usize> Clone for Postbox<M, N> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), handle: self.handle.clone() }
    }
}

impl<M, const N: usize> fmt::Debug for Postbox<M, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Postbox").field("capacity", &N).finish_non_exhaustive()
    }
}
