//! DNS (RFC 1035): answers A queries from a fixed table, over UDP and TCP, and asks a resolver for
//! what is not in it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | the service over UDP |
//! | `stream.rs` | the service over TCP |
//! | `message.rs` | reads queries, writes answers |
//! | `pending.rs` | the queries that a resolver was asked, their retransmissions |

mod message;
mod pending;
mod stream;

use core::net::Ipv4Addr;
use core::time::Duration;

use selkie_core::datagrams::{DatagramService, DatagramSocket, Message};

pub use message::DNS_MESSAGE_MAX;
use message::{Code, Question, answer, cut, refuse};
pub use pending::PendingQuery;
use pending::{Pending, Retry};
pub use stream::{DnsOverTcp, DnsStream, DnsStreamCounters};

/// The name and the address of a host. A name with several addresses has several entries.
pub type HostEntry<'t> = (&'t str, Ipv4Addr);

/// The longest answer over UDP to a client that announces no more.
const UDP_MAX: usize = 512;
/// Figures of a [`Dns`] since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsCounters {
    /// Queries that were answered from the table, also with "no such name".
    pub answered: u64,
    /// Queries that were answered with an error, as they are malformed, or ask
    /// for records of other kinds.
    pub refused: u64,
    /// Queries that the resolver was asked.
    pub forwarded: u64,
    /// Queries that the resolver was asked again.
    pub retransmitted: u64,
    /// Queries that the resolver did not answer, or that found no room to wait.
    pub failed: u64,
    /// Messages that are no query, or an answer to none.
    pub ignored: u64,
}

/// Answers over UDP. `A` is the platform's address.
#[derive(Debug)]
pub struct Dns<'t, A> {
    table: &'t [HostEntry<'t>],
    upstream: Option<A>,
    pending: Pending<'t, A>,
    counters: DnsCounters,
}

impl<'t, A: Copy + PartialEq> Dns<'t, A> {
    /// Makes the service. `pending` is the memory for the queries that wait for the resolver at
    /// `upstream`; without one, a name that is not in the table does not exist. `seed` makes the
    /// identifiers of these queries hard to guess: take it from a source of random numbers.
    #[must_use]
    pub const fn new(
        table: &'t [HostEntry<'t>],
        upstream: Option<A>,
        pending: &'t mut [PendingQuery<A>],
        seed: u64,
    ) -> Self {
        let counters = DnsCounters {
            answered: 0,
            refused: 0,
            forwarded: 0,
            retransmitted: 0,
            failed: 0,
            ignored: 0,
        };
        Self { table, upstream, pending: Pending::new(pending, seed), counters }
    }

    /// Sets the time after which the resolver is asked again: 500 ms if not called. It doubles each
    /// time, and after the fourth the client is told that there is no answer.
    #[must_use]
    pub const fn first_retry(mut self, first_retry: Duration) -> Self {
        self.pending.set_first_retry(first_retry);
        self
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &DnsCounters {
        &self.counters
    }

    /// Passes an answer of the resolver on to the client that asked.
    fn pass_on(&mut self, socket: &mut DatagramSocket<'_, A>, message: &Message<'_, A>) {
        let bytes = message.bytes;
        let Some((client, id)) = self.pending.finish(bytes) else {
            self.counters.ignored += 1;
            return;
        };
        let mut reply = [0; DNS_MESSAGE_MAX];
        let whole = reply.get_mut(..bytes.len()).filter(|_| !message.is_truncated);
        let len = if let Some(whole) = whole {
            whole.copy_from_slice(bytes);
            bytes.len()
        } else {
            cut(bytes, &mut reply)
        };
        let reply = &mut reply[..len];
        reply[..2].copy_from_slice(&id.to_be_bytes());
        // An answer that finds no room is lost, and the client asks again.
        let _ = socket.send_to(reply, &client);
        self.arm(socket);
    }

    /// Asks the resolver.
    fn forward(&mut self, socket: &mut DatagramSocket<'_, A>, query: &[u8], from: A, to: A) {
        let now = socket.now();
        if let Some(query) = self.pending.begin(query, from, now) {
            self.counters.forwarded += 1;
            // The timer repeats a query that is lost.
            let _ = socket.send_to(query, &to);
            self.arm(socket);
        } else {
            self.counters.failed += 1;
            let mut reply = [0; UDP_MAX];
            let len = refuse(query, Code::ServerFailure, &mut reply);
            let _ = socket.send_to(&reply[..len], &from);
        }
    }

    /// Sets the timer to the next retransmission.
    fn arm(&self, socket: &mut DatagramSocket<'_, A>) {
        match self.pending.next() {
            Some(deadline) => socket.set_timer_at(deadline),
            None => socket.cancel_timer(),
        }
    }
}

impl<A: Copy + PartialEq> DatagramService<A> for Dns<'_, A> {
    fn received(&mut self, socket: &mut DatagramSocket<'_, A>, message: Message<'_, A>) {
        let Some(sender) = message.sender else {
            self.counters.ignored += 1;
            return;
        };
        if self.upstream == Some(sender) {
            return self.pass_on(socket, &message);
        }
        let mut reply = [0; UDP_MAX];
        let question = match Question::parse(message.bytes) {
            _ if message.is_truncated => Err(Some(Code::FormatError)),
            parsed => parsed,
        };
        let len = match (question, self.upstream) {
            (Ok(question), Some(upstream)) if !question.is_in(self.table) => {
                return self.forward(socket, message.bytes, sender, upstream);
            }
            (Ok(question), _) => answer(message.bytes, &question, self.table, &mut reply),
            (Err(Some(code)), _) => {
                self.counters.refused += 1;
                let len = refuse(message.bytes, code, &mut reply);
                let _ = socket.send_to(&reply[..len], &sender);
                return;
            }
            // Never answered, so that two servers do not answer each other without end.
            (Err(None), _) => {
                self.counters.ignored += 1;
                return;
            }
        };
        self.counters.answered += 1;
        // An answer that finds no room is lost, and the client asks again.
        let _ = socket.send_to(&reply[..len], &sender);
    }

    fn timer_expired(&mut self, socket: &mut DatagramSocket<'_, A>) {
        let (now, Some(upstream)) = (socket.now(), self.upstream) else { return };
        while let Some(retry) = self.pending.retry(now) {
            match retry {
                Retry::Ask(query) => {
                    self.counters.retransmitted += 1;
                    let _ = socket.send_to(query, &upstream);
                }
                Retry::GiveUp { query, client } => {
                    self.counters.failed += 1;
                    let mut reply = [0; UDP_MAX];
                    let len = refuse(query, Code::ServerFailure, &mut reply);
                    let _ = socket.send_to(&reply[..len], &client);
                }
            }
        }
        self.arm(socket);
    }
}

#[cfg(test)]
mod tests;
