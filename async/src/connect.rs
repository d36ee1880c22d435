//! Connecting to another address, within a task.

use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use selkie_core::CloseReason;

use crate::conn::Conn;
use crate::error::Error;
use crate::lent::Lent;
use crate::stream::Stream;
use crate::table::Flag;

/// A connection that is being opened. Made by [`Conn::connect`]. Dropping it gives the attempt up.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Connect<'c, 'h> {
    stream: &'c Stream<'h>,
    address: SocketAddr,
    /// The connection, once it was asked for.
    attempt: Option<Conn<'h>>,
}

impl<'c, 'h> Connect<'c, 'h> {
    pub(crate) const fn new(stream: &'c Stream<'h>, address: SocketAddr) -> Self {
        Self { stream, address, attempt: None }
    }

    /// Asks for the connection.
    fn begin(&mut self, lent: &mut Lent<'_>) -> Result<(), Error> {
        let table = self.stream.table;
        let token = lent
            .ops
            .connect(Some(self.stream.token), self.address)
            .map_err(|error| Error::CannotConnect(error.kind()))?;
        let Some(slot) = table.slots.get(token.index()) else {
            lent.ops.close(token, selkie_core::layers::Ending::Aborted);
            return Err(Error::CannotConnect(selkie_core::ErrorKind::Full));
        };
        slot.open(token, lent.task, Flag::CONNECTING);
        self.attempt = Some(Conn::new(table, token));
        Ok(())
    }
}

impl<'h> Future for Connect<'_, 'h> {
    type Output = Result<Conn<'h>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let table = self.stream.table;
        let Some(attempt) = &self.attempt else {
            let stream = *self.stream;
            return match stream.act(context, |lent| self.begin(lent)) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            };
        };
        let slot = &table.slots[attempt.token().index()];
        if table.find(attempt.token()).is_none() {
            let reason = CloseReason::ALL.get(usize::from(slot.reason.get()));
            let reason = reason.copied().unwrap_or(CloseReason::Failed);
            return table.refuse(context).map_err(|_: Error| Error::NotConnected(reason));
        }
        if slot.has(Flag::CONNECTING) {
            return Poll::Pending;
        }
        slot.set(Flag::READING);
        self.attempt.take().map_or(Poll::Pending, |conn| Poll::Ready(Ok(conn)))
    }
}
