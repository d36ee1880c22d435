//! A device as embedded-io sees it, in memory.

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// The device, and what the test wants of it.
#[derive(Debug, Default)]
pub(crate) struct Uart {
    pub(crate) incoming: Vec<u8>,
    pub(crate) outgoing: Vec<u8>,
    /// The number of bytes that it still takes.
    pub(crate) room: usize,
    /// The failure of every call.
    pub(crate) failure: Option<ErrorKind>,
    pub(crate) flushes: usize,
}

impl Uart {
    pub(crate) fn with_incoming(bytes: &[u8]) -> Self {
        Self { incoming: bytes.to_vec(), ..Self::default() }
    }

    fn check(&self) -> Result<(), ErrorKind> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl ErrorType for Uart {
    type Error = ErrorKind;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.check().map(|()| !self.incoming.is_empty())
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.check().map(|()| self.room > 0)
    }
}

impl Read for Uart {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        assert!(!self.incoming.is_empty(), "the device would block");
        let count = buffer.len().min(self.incoming.len());
        for (place, byte) in buffer.iter_mut().zip(self.incoming.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(self.room > 0, "the device would block");
        let count = bytes.len().min(self.room);
        self.outgoing.extend_from_slice(&bytes[..count]);
        self.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.check()?;
        self.flushes += 1;
        Ok(())
    }
}
