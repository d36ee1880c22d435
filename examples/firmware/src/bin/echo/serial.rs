//! The UART as a platform of the loop: core's scan selector, and what embedded-io has no word for.
//!
//! embedded-io says whether a write takes a byte, not how many. Who knows that of a device, as we do of the UART's FIFO,
//! can promise the server layer that answers go to the device whole, or not at all; and then the server needs no outbox of
//! its own for the console, as it needs none for the sockets beside it.

use firmware::board::uart::Uart;
use selkie_core::{
    Capabilities, Close, Device, Error, Events, Instant, Interest, Mode, Scan, Selector, Token, Transport,
};

/// One UART, for a loop of `SLOTS` sources.
#[derive(Debug)]
pub(crate) struct Serial<const SLOTS: usize> {
    scan: Scan<Uart, 1, SLOTS>,
}

impl<const SLOTS: usize> Serial<SLOTS> {
    /// The platform, and the handle of its only device.
    pub(crate) fn new(uart: Uart) -> (Self, Device) {
        let mut scan = Scan::new();
        let Ok(device) = scan.add(uart) else { defmt::panic!("a scan of one device has room for one") };
        (Self { scan }, device)
    }

    /// Whether the UART has something to do.
    pub(crate) fn is_ready(&mut self, device: Device) -> bool {
        self.scan.device(device).is_some_and(|uart| uart.is_ready())
    }
}

impl<const SLOTS: usize> Selector for Serial<SLOTS> {
    type Source = Device;

    fn register(&mut self, source: Device, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        self.scan.register(source, token, interest, mode)
    }

    fn modify(&mut self, source: Device, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        self.scan.modify(source, token, interest, mode)
    }

    fn deregister(&mut self, source: Device, token: Token) -> Result<(), Error> {
        self.scan.deregister(source, token)
    }

    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.scan.poll(now, events)
    }

    fn capabilities(&self) -> Capabilities {
        self.scan.capabilities()
    }

    fn capacity(&self) -> usize {
        SLOTS
    }
}

impl<const SLOTS: usize> Transport for Serial<SLOTS> {
    type Address = <Scan<Uart, 1, SLOTS> as Transport>::Address;

    const OWNS_OUTBOX: bool = true;

    fn accept(&mut self, listener: Device) -> nb::Result<Device, Error> {
        self.scan.accept(listener)
    }

    fn connect(&mut self, address: &Self::Address) -> Result<Device, Error> {
        self.scan.connect(address)
    }

    fn connected(&mut self, source: Device) -> nb::Result<(), Error> {
        self.scan.connected(source)
    }

    fn read(&mut self, source: Device, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        self.scan.read(source, buffer)
    }

    fn write(&mut self, source: Device, bytes: &[u8]) -> nb::Result<usize, Error> {
        self.scan.write(source, bytes)
    }

    fn write_room(&mut self, source: Device) -> usize {
        self.scan.device(source).map_or(1, |uart| uart.room())
    }

    fn shutdown_write(&mut self, source: Device) -> nb::Result<(), Error> {
        self.scan.shutdown_write(source)
    }

    fn close(&mut self, source: Device, how: Close) -> Result<(), Error> {
        self.scan.close(source, how)
    }
}
