//! Messages to connections from other threads: a queue of fixed size, and its delivery.

use core::fmt;

use heapless::mpmc::Queue;

use super::Server;
use super::counters::bump;
use super::peer::Peer;
use super::service::Service;
use super::storage::ServerMemory;
use crate::contract::{Token, Transport};
use crate::event_loop::Context;

/// A service that takes messages from a [`Mailbox`].
pub trait Receives<M>: Service {
    /// Called with a message for an open connection, as if in a callback of that connection.
    fn message(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, message: M);
}

/// Up to `N` messages that wait for the connections of a server: results of worker threads,
/// messages from another loop, from an interrupt. `N` is a power of two, from 2 on.
///
/// Any thread posts, through a shared reference. What it posts is delivered in the loop's thread
/// by [`Server::deliver`], which the loop's waker causes. Nothing is allocated, and no lock is
/// taken, so it can be a `static`, and an interrupt can post. A thread that is suspended in the
/// middle of a post keeps those behind it waiting; its own wake, after the post, delivers all.
///
/// It exists on targets that have an atomic compare-and-swap, which Cortex-M0 is not.
///
/// ```
/// use selkie_core::{Mailbox, Token};
///
/// static RESULTS: Mailbox<u32, 64> = Mailbox::new();
///
/// # fn wake() {}
/// let client = Token::new(3, 1);
/// match RESULTS.post(client, 42) {
///     Ok(()) => wake(),
///     Err(result) => println!("the mailbox is full, {result} waits here"),
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

    /// Takes the message out that has waited longest. [`Server::deliver`] does so; this is for
    /// loops without a server.
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

impl<P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> Server<P, S, M> {
    /// Delivers the messages of a mailbox, at most as many as fit it: calls
    /// [`Receives::message`] for each one whose connection is open. One whose connection is gone is
    /// dropped and [counted](crate::Counters::messages_dropped). Returns the number that was
    /// delivered.
    ///
    /// A handler around the server calls this when the loop's waker has woken it:
    ///
    /// ```
    /// # use selkie_core::platform::Transport;
    /// # use selkie_core::memory::ServerMemory;
    /// # use selkie_core::{Context, Event, Handler, Mailbox, Receives, Server, Token};
    /// struct Main<'m, P: Transport, S: Receives<u32>, M> {
    ///     server: Server<P, S, M>,
    ///     results: &'m Mailbox<u32, 64>,
    ///     waker: Token,
    /// }
    ///
    /// impl<P, S, M> Handler<P> for Main<'_, P, S, M>
    /// where
    ///     P: Transport,
    ///     S: Receives<u32>,
    ///     M: ServerMemory<P::Source, S::Session>,
    /// {
    ///     fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
    ///         if event.token == self.waker {
    ///             self.server.deliver(context, self.results);
    ///         } else {
    ///             self.server.ready(context, event);
    ///         }
    ///     }
    ///
    ///     fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
    ///         self.server.expired(context, token);
    ///     }
    /// }
    /// ```
    pub fn deliver<T, const N: usize>(
        &mut self,
        context: &mut Context<'_, P>,
        mailbox: &Mailbox<T, N>,
    ) -> usize
    where
        S: Receives<T>,
    {
        let mut delivered = 0;
        // What is posted meanwhile comes with a wake of its own.
        for _ in 0..N {
            let Some((token, message)) = mailbox.take() else { break };
            let called = self.with(context, token, |service, peer, session| {
                service.message(peer, session, message);
            });
            delivered += usize::from(called.is_some());
            bump(&mut self.state.counters.messages_dropped, usize::from(called.is_none()));
        }
        delivered
    }
}
