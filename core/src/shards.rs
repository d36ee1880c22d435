//! Messages between the services of several loops, each of which serves on a core of its own.
//!
//! The loops and their mailboxes are the platform's: on native systems `selkie::shards::Shards`. A
//! service names only these two traits, so it needs no platform.

use crate::server::{Peers, Service};

/// A service of one of several loops that takes messages from those of the others.
///
/// ```
/// use selkie_core::shards::{Post, ShardService};
/// use selkie_core::peers::Peers;
/// use selkie_core::{Peer, Service};
///
/// /// Counts the bytes that all shards receive; shard 0 knows the sum.
/// struct Sum<P> {
///     post: P,
///     received: u64,
/// }
///
/// impl<P: Post<u64>> Service for Sum<P> {
///     type Session = ();
///
///     fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
///         self.received += bytes.len() as u64;
///         if self.post.shard() != 0 && self.post.post(0, self.received).is_ok() {
///             self.received = 0;
///         }
///         bytes.len()
///     }
/// }
///
/// impl<P: Post<u64>> ShardService for Sum<P> {
///     type Message = u64;
///
///     fn messages(&mut self, _: &mut Peers<'_>, messages: &mut dyn Iterator<Item = u64>) {
///         self.received += messages.sum::<u64>();
///     }
/// }
/// ```
pub trait ShardService: Service {
    /// The values that shards send each other.
    type Message: Send;

    /// Called with the messages that have arrived, in the order in which each shard posted its own.
    /// Those that are not taken are dropped.
    ///
    /// When a shard fails, the messages that it has not taken are given back to those that posted
    /// them, by the same call.
    fn messages(
        &mut self,
        peers: &mut Peers<'_>,
        messages: &mut dyn Iterator<Item = Self::Message>,
    );
}

/// The way to the mailboxes of all shards.
pub trait Post<M> {
    /// Returns the number of the shard that this belongs to, from 0 on.
    fn shard(&self) -> usize;

    /// Returns the number of shards.
    fn shards(&self) -> usize;

    /// Puts a message into the mailbox of a shard. It is delivered in a later turn of that shard.
    ///
    /// # Errors
    ///
    /// The message itself, if the mailbox is full, if the shard has ended, or if there is none of
    /// this number.
    fn post(&mut self, shard: usize, message: M) -> Result<(), M>;
}
