//! The two halves of a connection, for full duplex within one task.

use core::future::{Future, poll_fn};

use selkie_core::Peer;

use crate::conn::{check_sendable, without_end};
use crate::error::Error;
use crate::stream::Stream;

/// The half of a [`Conn`](crate::Conn) that reads. Made by [`Conn::split`](crate::Conn::split).
#[derive(Debug)]
pub struct ReadHalf<'c> {
    stream: Stream<'c>,
}

/// The half of a [`Conn`](crate::Conn) that writes. Made by [`Conn::split`](crate::Conn::split).
#[derive(Debug)]
pub struct WriteHalf<'c> {
    stream: Stream<'c>,
}

impl<'c> ReadHalf<'c> {
    pub(crate) const fn new(stream: Stream<'c>) -> Self {
        Self { stream }
    }

    /// Reads into `buffer`, as [`Conn::read`](crate::Conn::read).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read(context, buffer))
    }

    /// Offers the bytes that are there, as [`Conn::read_with`](crate::Conn::read_with).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_with<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> (usize, Option<T>),
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_with(context, &mut take))
    }

    /// Offers the bytes that are there beside the peer, as
    /// [`Conn::receive`](crate::Conn::receive).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn receive<T>(
        &mut self,
        mut take: impl FnMut(&mut Peer<'_>, &[u8]) -> (usize, Option<T>),
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.receive(context, &mut take))
    }

    /// Fills `buffer`, as [`Conn::read_exact`](crate::Conn::read_exact).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_exact(context, buffer))
    }

    /// Reads up to a delimiter, as [`Conn::read_until`](crate::Conn::read_until).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_until<T>(
        &mut self,
        delimiter: u8,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.read_until(context, delimiter, &mut take))
    }

    /// Reads a line, as [`Conn::read_line`](crate::Conn::read_line).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_line<T>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> impl Future<Output = Result<Option<T>, Error>> {
        self.read_until(b'\n', move |line| take(without_end(line)))
    }
}

impl<'c> WriteHalf<'c> {
    pub(crate) const fn new(stream: Stream<'c>) -> Self {
        Self { stream }
    }

    /// Sends some of `bytes`, as [`Conn::write`](crate::Conn::write).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.write(context, bytes))
    }

    /// Sends all of `bytes`, as [`Conn::write_all`](crate::Conn::write_all).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> {
        let (stream, mut rest) = (&self.stream, bytes);
        poll_fn(move |context| stream.write_all(context, &mut rest))
    }

    /// Sends all of `rest`, as [`Conn::write_rest`](crate::Conn::write_rest).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_rest(&mut self, rest: &mut &[u8]) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.write_all(context, rest))
    }

    /// Returns at once, as [`Conn::flush`](crate::Conn::flush).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| stream.act(context, |lent| check_sendable(lent, stream.token)))
    }

    /// Ends the stream to the peer, as [`Conn::shutdown_write`](crate::Conn::shutdown_write).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn shutdown_write(&mut self) -> impl Future<Output = Result<(), Error>> {
        let stream = &self.stream;
        poll_fn(move |context| {
            stream.act(context, |lent| {
                lent.ops.shutdown_write(stream.token);
                Ok(())
            })
        })
    }
}
