//! The calls of a connection, as they are carried out in a poll. [`Conn`](crate::Conn) and its
//! halves document them.

use core::task::{Context, Poll};

use selkie_core::layers::Ending;
use selkie_core::{Peer, SendError, Token};

use crate::error::Error;
use crate::lent::Lent;
use crate::table::{Flag, TaskSlot, TaskTable};

/// One connection of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'h> {
    pub(crate) table: &'h TaskTable<'h>,
    pub(crate) token: Token,
}

/// Something that is read, or the end of the stream.
pub(crate) type Read<T> = Poll<Result<Option<T>, Error>>;

impl Stream<'_> {
    /// Offers `take` the bytes that are there, and waits until it returns a value.
    #[inline]
    pub(crate) fn receive<T>(
        self,
        context: &Context<'_>,
        take: impl FnOnce(&mut Peer<'_>, &[u8]) -> (usize, Option<T>),
    ) -> Read<T> {
        self.table.act(self.token, context, |lent, slot| match lent.input {
            bytes @ [_, ..] if lent.token == self.token => {
                let (used, value) = take(&mut Peer::new(self.token, lent.ops), bytes);
                lent.input = &bytes[used.min(bytes.len())..];
                if value.is_some() {
                    return Poll::Ready(Ok(value));
                }
                slot.set(Flag::READING);
                Poll::Pending
            }
            _ => self.await_input(context, lent, slot),
        })
    }

    /// Waits for something to read, unless nothing more comes.
    #[inline]
    fn await_input<T>(
        self,
        context: &Context<'_>,
        lent: &mut Lent<'_>,
        slot: &TaskSlot,
    ) -> Read<T> {
        slot.set(Flag::READING);
        if slot.has(Flag::LEFT) || slot.has(Flag::PAUSED) {
            let is_asked_for = lent.offers_again && lent.token == self.token;
            if slot.take(Flag::PAUSED) || !is_asked_for {
                lent.ops.set_reading(self.token, true);
            }
        } else if slot.has(Flag::ENDED) || self.token == lent.task && slot.has(Flag::DRAINING) {
            // In a drain, what has arrived is read before it is the end: one more look decides.
            // A connection that the task has opened goes on: a reply may be under way.
            let is_end = slot.has(Flag::ENDED) || lent.has_looked;
            if is_end && lent.has_patience() {
                return Poll::Ready(Ok(None));
            }
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Offers `take` the bytes that are there, as [`receive`](Self::receive), and gives up when
    /// they can never be what it waits for.
    #[inline]
    pub(crate) fn read_with<T>(
        self,
        context: &Context<'_>,
        take: impl FnOnce(&[u8]) -> (usize, Option<T>),
    ) -> Read<T> {
        let mut hopeless = None;
        let outcome = self.receive(context, |peer, bytes| {
            let (used, value) = take(bytes);
            if value.is_none() {
                hopeless = self.judge_rest(bytes.len().saturating_sub(used), used, peer);
            }
            (used, value)
        });
        match hopeless {
            Some(error) if outcome.is_pending() => {
                self.table.refuse(context).map_err(|_: Error| error)
            }
            _ => outcome,
        }
    }

    /// Returns why the bytes that are left can never become what is waited for.
    #[cold]
    fn judge_rest(self, left: usize, used: usize, peer: &Peer<'_>) -> Option<Error> {
        let slot = self.table.find(self.token)?;
        if left > 0 && slot.has(Flag::ENDING) {
            return Some(Error::UnexpectedEnd);
        }
        (used == 0 && left >= peer.received_max()).then_some(Error::TooLong)
    }

    /// Reads into `buffer`; at the end of the stream 0 bytes.
    #[inline]
    pub(crate) fn read(
        self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let read = self.receive(context, |_, bytes| {
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            (count, Some(count))
        });
        read.map_ok(Option::unwrap_or_default)
    }

    /// Fills all of `buffer`, or takes nothing.
    pub(crate) fn read_exact(
        self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<(), Error>> {
        let count = buffer.len();
        if count == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.read_with(context, |bytes| match bytes.get(..count) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                (count, Some(()))
            }
            None => (0, None),
        });
        read.map(|read| read?.ok_or(Error::UnexpectedEnd))
    }

    /// Reads up to the first `delimiter`, that included.
    pub(crate) fn read_until<T>(
        self,
        context: &Context<'_>,
        delimiter: u8,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Read<T> {
        self.read_with(context, |bytes| match bytes.iter().position(|&byte| byte == delimiter) {
            Some(place) => (place + 1, Some(take(&bytes[..=place]))),
            None => (0, None),
        })
    }

    /// Sends as many bytes as there is room for, at least one.
    #[inline]
    pub(crate) fn write(self, context: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.table.act(self.token, context, |lent, _| {
            let count = lent.ops.send_some(self.token, bytes);
            if count > 0 { Poll::Ready(Ok(count)) } else { await_room(lent, self.token, bytes) }
        })
    }

    /// Sends the rest of `bytes`, and takes from it what is sent.
    #[inline]
    pub(crate) fn write_all(
        self,
        context: &Context<'_>,
        bytes: &mut &[u8],
    ) -> Poll<Result<(), Error>> {
        loop {
            let rest = *bytes;
            match self.write(context, rest) {
                Poll::Ready(Ok(count)) if count < rest.len() => *bytes = &rest[count..],
                Poll::Ready(Ok(_)) => {
                    *bytes = &[];
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends all of `bytes` to `to` at once, or none.
    pub(crate) fn send_to(
        self,
        context: &Context<'_>,
        to: Token,
        bytes: &[u8],
    ) -> Poll<Result<(), Error>> {
        self.act(context, |lent| match lent.ops.send(to, bytes) {
            Ok(()) => Ok(()),
            Err(SendError::Full) => Err(Error::Full),
            Err(SendError::TooLong) => Err(Error::TooLong),
            // `Closed`, or a reason of a later version: nothing more can be sent.
            Err(_) => Err(Error::Closed),
        })
    }

    /// Calls `act` with what is lent, once that is possible.
    pub(crate) fn act<R>(
        self,
        context: &Context<'_>,
        act: impl FnOnce(&mut Lent<'_>) -> Result<R, Error>,
    ) -> Poll<Result<R, Error>> {
        self.table.act(self.token, context, |lent, _| Poll::Ready(act(lent)))
    }

    /// Stops reading until the next call that reads.
    pub(crate) fn pause_reading(self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        self.table.act(self.token, context, |lent, slot| {
            slot.set(Flag::PAUSED);
            lent.ops.set_reading(self.token, false);
            Poll::Ready(Ok(()))
        })
    }

    pub(crate) fn is_draining(self) -> bool {
        self.table.find(self.token).is_some_and(|slot| slot.has(Flag::DRAINING))
    }

    pub(crate) fn close(self, ending: Ending) {
        self.table.close(self.token, ending);
    }
}

/// Waits until the peer takes `bytes`, of which it takes none now, unless it never does. Asked with
/// all of them, as a layer may make a message of any others.
#[cold]
fn await_room(lent: &mut Lent<'_>, token: Token, bytes: &[u8]) -> Poll<Result<usize, Error>> {
    match lent.ops.send(token, bytes) {
        Ok(()) => return Poll::Ready(Ok(bytes.len())),
        // In parts they fit, but a layer has sent none although there is room.
        Err(SendError::TooLong) if lent.ops.room(token) > 0 => {
            return Poll::Ready(Err(Error::TooLong));
        }
        Err(SendError::Full | SendError::TooLong) => lent.ops.request_writable(token),
        Err(_) => return Poll::Ready(Err(Error::Closed)),
    }
    Poll::Pending
}
