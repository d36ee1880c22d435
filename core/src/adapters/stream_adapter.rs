//! From a platform to embedded-io: one connection as a reader and writer.

use embedded_io::{ErrorType, Read, Write};

use crate::contract::{Error, Transport};

/// One connection of a platform, as an [`embedded_io`] reader and writer, for as long as the
/// platform is borrowed.
///
/// For code that is written against embedded-io, such as a parser or a formatter. The borrow is
/// temporary: make one per use with [`StreamAdapter::new`].
///
/// embedded-io has no `WouldBlock`. Its `read` is meant to block, which no platform does; so where
/// there is nothing to read or no room to write, the call fails with an error whose
/// [`kind`](Error::kind) is [`ErrorKind::WouldBlock`](crate::ErrorKind::WouldBlock) (and `Other` in
/// embedded-io's own terms). After readiness was reported, only the first call is sure not to fail
/// so.
#[derive(Debug)]
pub struct StreamAdapter<'p, P: Transport> {
    platform: &'p mut P,
    source: P::Source,
}

impl<'p, P: Transport> StreamAdapter<'p, P> {
    /// Binds `source` to the platform that issued it.
    #[must_use]
    pub const fn new(platform: &'p mut P, source: P::Source) -> Self {
        Self { platform, source }
    }
}

impl<P: Transport> ErrorType for StreamAdapter<'_, P> {
    type Error = Error;
}

impl<P: Transport> Read for StreamAdapter<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform.read(self.source, buffer)
    }
}

impl<P: Transport> Write for StreamAdapter<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.platform.write(self.source, bytes)
    }

    /// Does nothing: what was written is the platform's to send, and waiting for it would block.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
