//! Messages to connections from other threads: a queue of fixed size.

use core::fmt;

use heapless::mpmc::Queue;

use crate::contract::Token;

/// Up to `N` messages that wait for the connections of a server: results of worker threads,
/// messages from another loop, from an interrupt. `N` is a power of two, from 2 on.
///
/// Any thread posts, through a shared reference. What it posts is delivered in the loop's thread
/// by [`Server::deliver`](crate::Server::deliver), which the loop's waker causes. Nothing is
/// allocated, and no lock is taken, so it can be a `static`, and an interrupt can post. A thread
/// that is suspended in the middle of a post keeps those behind it waiting; its own wake, after the
/// post, delivers all.
///
/// It exists on targets that have an atomic compare-and-swap, which Cortex-M0 is not.
///
/// ```
/// use selkie_core::mailbox::Mailbox;
/// use selkie_core::Token;
///
/// static RESULTS: Mailbox<u32, 64> = Mailbox::new();
///
/// # fn wake() {}
/// let client = Token::new(3, 1);
/// match RESULTS.post(client, 42) {
///     Ok(()) => wake(),
///     Err(result) => println!("the mailbox is full: {result}"),
/// }
/// assert_eq!(RESULTS.take(), Some((client, 42)));
/// ```
pub struct Mailbox<M, const N: usize> {
    queue: Queue<(Token, M), N>,
}

impl<M, const N: usize> Mailbox<M, N> {
    /// Returns an empty mailbox.
    #[must_use]
    #[expect(deprecated, reason = "a post that is interrupted delays others until its own wake")]
    pub const fn new() -> Self {
        Self { queue: Queue::new() }
    }

    /// Puts a message for a connection behind all others. Wake the loop after it.
    ///
    /// # Errors
    ///
    /// The message itself, if `N` others wait.
    pub fn post(&self, token: Token, message: M) -> Result<(), M> {
        self.queue.enqueue((token, message)).map_err(|(_, message)| message)
    }

    /// Takes the message out that has waited longest, as
    /// [`Server::deliver`](crate::Server::deliver) does; this is for loops without a server.
    pub fn take(&self) -> Option<(Token, M)> {
        self.queue.dequeue()
    }
}

impl<M, const N: usize> fmt::Debug for Mailbox<M, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailbox").field("capacity", &N).finish_non_exhaustive()
    }
}

impl<M, const N: usize> Default for Mailbox<M, N> {
    fn default() -> Self {
        Self::new()
    }
}
