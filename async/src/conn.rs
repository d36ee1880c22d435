//! The connection that a task serves.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::time::Duration;

use selkie_core::layers::Ending;
use selkie_core::{Peer, SendError, Token};

use crate::connect::Connect;
use crate::error::Error;
use crate::halves::{ReadHalf, WriteHalf};
use crate::lent::Lent;
use crate::stream::Stream;
use crate::table::TaskTable;
use crate::time::{Sleep, Timer};

/// The connection that a task serves. When it is dropped the connection is closed, after what was
/// written.
///
/// It names its connection by a token, which every call checks. It is usable only while its own
/// task is polled. In another task, or after it has left its task in another way, its calls wait
/// until the connection is closed, and then return [`Error::Closed`]; never do they reach the
/// connection that is in the same slot later.
///
/// # Cancel safety
///
/// To drop a future before it is ready is to cancel it.
///
/// * [`read`](Self::read), [`read_with`](Self::read_with), [`read_exact`](Self::read_exact),
///   [`read_until`](Self::read_until) and [`read_line`](Self::read_line) have taken nothing: bytes
///   are taken only by the poll that is ready, and stay in the server's input buffer until then.
/// * [`receive`](Self::receive) has done what its closure did; the bytes that it did not take stay.
/// * [`write`](Self::write) has sent no byte.
/// * [`write_all`](Self::write_all) has sent the first bytes; their number is not known.
/// * [`write_rest`](Self::write_rest) has taken from the slice the bytes that were sent.
/// * [`flush`](Self::flush), [`shutdown_write`](Self::shutdown_write), [`send_to`](Self::send_to)
///   and [`pause_reading`](Self::pause_reading) have done nothing; they are ready at the first poll
///   in their own task.
/// * [`sleep`](Self::sleep) has done nothing.
/// * [`connect`](Self::connect) has given the attempt up.
///
/// # When the connection is closed
///
/// By the peer's reset, by a timeout, or by the server: the task is polled once more. Calls of
/// this connection then return [`Error::Closed`] (after 32 of them they wait), other connections
/// can still be sent to. At the next wait of the task, or at its end, its future is dropped.
#[derive(Debug)]
pub struct Conn<'h> {
    stream: Stream<'h>,
}

impl<'h> Conn<'h> {
    pub(crate) const fn new(table: &'h TaskTable<'h>, token: Token) -> Self {
        Self { stream: Stream { table, token } }
    }

    /// Returns the name of this connection; it never names another.
    #[must_use]
    pub const fn token(&self) -> Token {
        self.stream.token
    }

    /// Returns the clock of the task: to sleep, and to limit the time of a call.
    #[must_use]
    pub const fn timer(&self) -> Timer<'h> {
        Timer::new(self.stream.table)
    }

    /// Waits for `duration`, as [`Timer::sleep`].
    pub fn sleep(&self, duration: Duration) -> Sleep<'h> {
        self.timer().sleep(duration)
    }

    /// Returns whether the server drains. Once all that has arrived is read, reading from the
    /// client then returns as at the end of the stream, so that a task finishes its reply and ends.
    /// Connections that the task has opened go on until the drain's deadline.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.stream.is_draining()
    }

    /// Splits the connection into a half that reads and one that writes, for two futures in one
    /// task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf::new(self.stream), WriteHalf::new(self.stream))
    }

    /// Reads into `buffer`, and returns the number of bytes: 0 at the end of the stream, or if
    /// `buffer` is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read(context, buffer))
    }

    /// Offers `take` the bytes that are there, in place, until it returns a value. It returns how
    /// many of them it is done with, too; the rest is offered again, in front of what comes next.
    ///
    /// Returns `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// * [`Error::Closed`].
    /// * [`Error::UnexpectedEnd`] if the peer ends its stream and `take` leaves bytes.
    /// * [`Error::TooLong`] if the input buffer is full and `take` takes nothing.
    pub fn read_with<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> (usize, Option<T>),
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_with(context, &mut take))
    }

    /// Offers `take` the bytes that are there together with the [`Peer`], as a
    /// [`Service`](selkie_core::Service) receives them, until it returns a value. An echo without a
    /// copy:
    ///
    /// ```
    /// use selkie_async::Conn;
    ///
    /// async fn echo(mut conn: Conn<'_>) {
    ///     let _ = conn.receive(|peer, bytes| (peer.send_some(bytes), None::<()>)).await;
    /// }
    /// ```
    ///
    /// Bytes that `take` leaves are offered again when more have come, and when the output buffer
    /// has drained. Returns `None` at the end of the stream, when all are taken.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn receive<T>(
        &mut self,
        mut take: impl FnMut(&mut Peer<'_>, &[u8]) -> (usize, Option<T>),
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.receive(context, &mut take))
    }

    /// Fills `buffer`. Takes nothing before all of it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]; [`Error::UnexpectedEnd`] if the stream ends before;
    /// [`Error::TooLong`] if `buffer` is longer than the input buffer.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_exact(context, buffer))
    }

    /// Calls `take` with the bytes up to the first `delimiter`, that included, in place. Returns
    /// `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub fn read_until<T>(
        &mut self,
        delimiter: u8,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_until(context, delimiter, &mut take))
    }

    /// Calls `take` with the next line, in place and without its end (`\n` or `\r\n`). Returns
    /// `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    pub fn read_line<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        self.read_until(b'\n', move |line| take(without_end(line)))
    }

    /// Stops reading, with no limit in time, until the next call that reads. A peer that is gone is
    /// still noticed. Without it, a connection whose task takes nothing of a full input buffer for
    /// the [input timeout](selkie_core::Config::input_timeout) is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn pause_reading(&mut self) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.pause_reading(context))
    }

    /// Sends as many of `bytes` as there is room for, at least one, and returns that number. Waits
    /// while there is no room.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]. Behind a layer that makes a message of them, [`Error::TooLong`] if that
    /// never fits.
    pub fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.write(context, bytes))
    }

    /// Sends all of `bytes`, in as many pieces as it takes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> {
        let (stream, mut rest) = (&self.stream, bytes);
        poll_fn(move |context| stream.write_all(context, &mut rest))
    }

    /// Sends all of `rest`, and takes from it what is sent: after a cancelled call, the bytes that
    /// are still to be sent are left.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn write_rest(&mut self, rest: &mut &[u8]) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.write_all(context, rest))
    }

    /// Returns at once: the server sends by itself what was written, as fast as the peer takes it,
    /// and keeps nothing back for a flush.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.act(context, |lent| check_sendable(lent, stream.token)))
    }

    /// Sends all of `bytes` to another connection at once, or none, so that one that stalls never
    /// stops this task.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::TooLong`], and [`Error::Closed`] if the other one is closed.
    pub fn send_to(
        &mut self,
        other: Token,
        bytes: &[u8],
    ) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.send_to(context, other, bytes))
    }

    /// Connects to `address`, and returns the connection once it is established. It belongs to this
    /// task, as this one does. Give up by dropping the future, for instance by a
    /// [timeout](Timer::timeout).
    ///
    /// Only in a service that is [`connecting`](crate::AsyncService::connecting).
    ///
    /// # Errors
    ///
    /// * [`Error::CannotConnect`] if the attempt cannot begin: the platform or the service does not
    ///   connect, or there is no slot.
    /// * [`Error::NotConnected`]: refused, unreachable, or timed out.
    /// * [`Error::Closed`] if this connection is closed.
    pub const fn connect(&mut self, address: SocketAddr) -> Connect<'_, 'h> {
        Connect::new(&self.stream, address)
    }

    /// Returns the address of the peer: `None` for a peer without an Internet address, where the
    /// platform cannot tell, and while the task is not polled.
    #[must_use]
    pub fn remote_address(&self) -> Option<SocketAddr> {
        let Stream { table, token } = self.stream;
        table.find(token)?;
        table.desk.with(|lent| lent.ops.remote_address(token)).flatten()
    }

    /// Ends the stream to the peer after what was written; reading goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn shutdown_write(&mut self) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| {
            stream.act(context, |lent| {
                lent.ops.shutdown_write(stream.token);
                Ok(())
            })
        })
    }

    /// Closes the connection after what was written, as dropping it does.
    pub fn close(self) {}

    /// Closes the connection at once; pending output is thrown away, and the peer sees a reset.
    pub fn abort(self) {
        self.stream.close(Ending::Aborted);
    }
}

impl Drop for Conn<'_> {
    fn drop(&mut self) {
        self.stream.close(Ending::Flushed);
    }
}

/// Returns whether the connection takes bytes, as an error if not.
pub(crate) fn check_sendable(lent: &mut Lent<'_>, token: Token) -> Result<(), Error> {
    // Asked with no bytes only where there is no room: a layer may make a message of them.
    if lent.ops.room(token) > 0 {
        return Ok(());
    }
    match lent.ops.send(token, &[]) {
        Ok(()) | Err(SendError::Full) => Ok(()),
        Err(_) => Err(Error::Closed),
    }
}

/// Returns a line without `\n` or `\r\n`.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
