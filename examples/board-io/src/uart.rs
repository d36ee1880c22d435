//! A chip that moves bytes, as a device of embedded-io.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};

/// A chip that moves bytes.
pub trait BytePort {
    /// Acknowledges the interrupts.
    fn acknowledge(&self);

    /// Returns whether a byte waits.
    fn has_input(&self) -> bool;

    /// Takes the byte that waits.
    fn take(&mut self) -> u8;

    /// Returns whether there is room for a byte.
    fn has_room(&self) -> bool;

    /// Sends a byte, for which there is room.
    fn put(&mut self, byte: u8);
}

/// The device over a chip.
#[derive(Debug)]
pub struct Uart<P> {
    port: P,
    /// A writer was refused for lack of room.
    blocked: bool,
}

impl<P: BytePort> Uart<P> {
    /// Makes the device.
    #[must_use]
    pub const fn new(port: P) -> Self {
        Self { port, blocked: false }
    }

    /// Acknowledges the interrupts, and then returns whether the UART has input, or room for a
    /// writer that was refused.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.port.acknowledge();
        self.port.has_input() || (self.blocked && self.port.has_room())
    }
}

impl<P> ErrorType for Uart<P> {
    type Error = Infallible;
}

impl<P: BytePort> ReadReady for Uart<P> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.port.has_input())
    }
}

impl<P: BytePort> WriteReady for Uart<P> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        self.blocked = !self.port.has_room();
        Ok(!self.blocked)
    }
}

impl<P: BytePort> Read for Uart<P> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        while count < buffer.len() && (count == 0 || self.port.has_input()) {
            // A blocking read, as the trait wants it, waits for the first byte.
            while !self.port.has_input() {}
            buffer[count] = self.port.take();
            count += 1;
        }
        Ok(count)
    }
}

impl<P: BytePort> Write for Uart<P> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for &byte in bytes {
            // A blocking write waits for the first byte's room.
            while count == 0 && !self.port.has_room() {}
            if !self.port.has_room() {
                break;
            }
            self.port.put(byte);
            count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while !self.port.has_room() {}
        Ok(())
    }
}
