//! Devices that are ready, or broken, as they like.

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::choices::Choices;

/// One such device.
#[derive(Debug)]
pub struct Whimsical(pub Choices);

impl Whimsical {
    fn ready(&self) -> Result<bool, ErrorKind> {
        match self.0.below(4) {
            0 => Ok(false),
            3 => Err(ErrorKind::Other),
            _ => Ok(true),
        }
    }

    fn count(&self, most: usize) -> Result<usize, ErrorKind> {
        if self.ready()? { Ok(self.0.below(most + 1)) } else { Ok(0) }
    }
}

impl ErrorType for Whimsical {
    type Error = ErrorKind;
}

impl ReadReady for Whimsical {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.ready()
    }
}

impl WriteReady for Whimsical {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.ready()
    }
}

impl Read for Whimsical {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.count(buffer.len().min(255))
    }
}

impl Write for Whimsical {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.count(bytes.len().min(255))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.ready().map(|_| ())
    }
}
