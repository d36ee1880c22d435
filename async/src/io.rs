//! The traits of `embedded-io-async`, so that drivers and protocols written for them run on a
//! connection.

use embedded_io_async::{ErrorType, Read, Write};

use crate::conn::Conn;
use crate::error::Error;
use crate::halves::{ReadHalf, WriteHalf};

impl ErrorType for Conn<'_> {
    type Error = Error;
}

impl ErrorType for ReadHalf<'_> {
    type Error = Error;
}

impl ErrorType for WriteHalf<'_> {
    type Error = Error;
}

/// Reads as [`Conn::read`] does; a read that is cancelled has taken nothing.
impl Read for Conn<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        Conn::read(self, buffer).await
    }
}

/// Writes as [`Conn::write`] does. A flush is ready at once: it says nothing of the peer.
impl Write for Conn<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        Conn::write(self, bytes).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Conn::flush(self).await
    }
}

/// Reads as [`Conn::read`] does; a read that is cancelled has taken nothing.
impl Read for ReadHalf<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        ReadHalf::read(self, buffer).await
    }
}

/// Writes as [`Conn::write`] does. A flush is ready at once: it says nothing of the peer.
impl Write for WriteHalf<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        WriteHalf::write(self, bytes).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        WriteHalf::flush(self).await
    }
}
