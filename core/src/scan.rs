//! From embedded-io to a platform: devices as sources of a loop.

use embedded_io::{Read, ReadReady, Write, WriteReady};
use heapless::Vec;

use crate::{
    Capabilities, Close, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness, Registration,
    Registrations, Selector, Token, Transport,
};

/// The handle of a device in a [`Scan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Device(usize);

/// A selector over up to `DEVICES` [`embedded_io`] devices, such as UARTs, which it asks one by one; for a loop of at
/// most `SLOTS` sources.
///
/// Beside a network platform, in [`Both`](crate::Both), it lets one loop serve a console and sockets. A device has no
/// listener and no peer: `accept`, `connect` and ends of streams are unsupported, and closing flushes.
///
/// What a device calls ready is what it promises for one call of `read` or `write`: embedded-io knows nothing of the
/// second. So [`Transport::read`] and [`Transport::write`] ask before each call, and answer `WouldBlock` where the device
/// would block.
#[derive(Debug)]
pub struct Scan<D, const DEVICES: usize, const SLOTS: usize> {
    devices: Vec<(D, Option<Token>), DEVICES>,
    registrations: Registrations<[Registration; SLOTS]>,
    /// Which device is asked first by the next poll.
    first: usize,
}

impl<D, const DEVICES: usize, const SLOTS: usize> Default for Scan<D, DEVICES, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D, const DEVICES: usize, const SLOTS: usize> Scan<D, DEVICES, SLOTS> {
    /// A selector without devices.
    #[must_use]
    pub fn new() -> Self {
        Self { devices: Vec::new(), registrations: Registrations::new([Registration::EMPTY; SLOTS]), first: 0 }
    }

    /// Takes a device in, and gives its handle. It stays until the selector goes.
    ///
    /// # Errors
    ///
    /// The device itself, when there is no room.
    pub fn add(&mut self, device: D) -> Result<Device, D> {
        let handle = Device(self.devices.len());
        self.devices.push((device, None)).map_err(|(device, _)| device)?;
        Ok(handle)
    }

    /// The device behind a handle.
    #[must_use]
    pub fn device(&mut self, handle: Device) -> Option<&mut D> {
        self.devices.get_mut(handle.0).map(|(device, _)| device)
    }

    /// The device behind a handle, or the error that it is not one of these.
    fn checked(&mut self, handle: Device) -> Result<&mut (D, Option<Token>), Error> {
        self.devices.get_mut(handle.0).ok_or(Error::new(ErrorKind::InvalidSource))
    }
}

/// Only level and oneshot: a device does not say when something new happened.
fn supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest.contains(Interest::PRIORITY) {
        return Err(Error::new(ErrorKind::Unsupported));
    }
    Ok(())
}

impl<D, const DEVICES: usize, const SLOTS: usize> Selector for Scan<D, DEVICES, SLOTS>
where
    D: Read + ReadReady + Write + WriteReady,
{
    type Source = Device;

    fn register(&mut self, source: Device, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(interest, mode)?;
        self.registrations.vacancy(token)?;
        let (_, registered) = self.checked(source)?;
        if registered.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        *registered = Some(token);
        self.registrations.insert(token, interest, mode);
        Ok(())
    }

    fn modify(&mut self, source: Device, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(interest, mode)?;
        self.registrations.get(token)?;
        if self.checked(source)?.1 != Some(token) {
            return Err(Error::new(ErrorKind::InvalidSource));
        }
        self.registrations.update(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Device, token: Token) -> Result<(), Error> {
        self.registrations.get(token)?;
        let (_, registered) = self.checked(source)?;
        if *registered != Some(token) {
            return Err(Error::new(ErrorKind::InvalidSource));
        }
        *registered = None;
        self.registrations.remove(token);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        let count = self.devices.len();
        let first = self.first;
        for turn in 0..count {
            let position = (first + turn) % count;
            let (device, Some(token)) = &mut self.devices[position] else { continue };
            let Some((_, registration)) = self.registrations.at(token.index()) else { continue };
            let readiness = ask(device, registration.armed());
            if readiness.is_empty() {
                continue;
            }
            if events.push(Event { token: *token, readiness }).is_err() {
                self.first = position;
                break;
            }
            self.registrations.fired(token.index());
            self.first = (position + 1) % count;
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ERROR
    }

    fn capacity(&self) -> usize {
        SLOTS
    }
}

/// What of `interest` the device is ready for. A device that fails to answer is broken.
fn ask<D: ReadReady + WriteReady>(device: &mut D, interest: Interest) -> Readiness {
    let mut readiness = Readiness::NONE;
    if interest.contains(Interest::READABLE) {
        match device.read_ready() {
            Ok(true) => readiness |= Readiness::READABLE,
            Ok(false) => {}
            Err(_) => readiness |= Readiness::ERROR.with_implied(),
        }
    }
    if interest.contains(Interest::WRITABLE) {
        match device.write_ready() {
            Ok(true) => readiness |= Readiness::WRITABLE,
            Ok(false) => {}
            Err(_) => readiness |= Readiness::ERROR.with_implied(),
        }
    }
    readiness
}

/// A device's error in the terms of this crate.
fn broken(error: &impl embedded_io::Error) -> nb::Error<Error> {
    nb::Error::Other(error.kind().into())
}

/// What a device cannot do.
const UNSUPPORTED: Error = Error::new(ErrorKind::Unsupported);

impl<D, const DEVICES: usize, const SLOTS: usize> Transport for Scan<D, DEVICES, SLOTS>
where
    D: Read + ReadReady + Write + WriteReady,
{
    /// A device connects to nothing.
    type Address = core::convert::Infallible;

    fn accept(&mut self, _listener: Device) -> nb::Result<Device, Error> {
        Err(nb::Error::Other(UNSUPPORTED))
    }

    fn connect(&mut self, address: &Self::Address) -> Result<Device, Error> {
        match *address {}
    }

    fn connected(&mut self, source: Device) -> nb::Result<(), Error> {
        self.checked(source)?;
        Ok(())
    }

    fn read(&mut self, source: Device, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let (device, _) = self.checked(source)?;
        if !device.read_ready().map_err(|error| broken(&error))? {
            return Err(nb::Error::WouldBlock);
        }
        device.read(buffer).map_err(|error| broken(&error))
    }

    fn write(&mut self, source: Device, bytes: &[u8]) -> nb::Result<usize, Error> {
        let (device, _) = self.checked(source)?;
        if !device.write_ready().map_err(|error| broken(&error))? {
            return Err(nb::Error::WouldBlock);
        }
        device.write(bytes).map_err(|error| broken(&error))
    }

    fn shutdown_write(&mut self, _source: Device) -> nb::Result<(), Error> {
        Err(nb::Error::Other(UNSUPPORTED))
    }

    fn close(&mut self, source: Device, how: Close) -> Result<(), Error> {
        let (device, _) = self.checked(source)?;
        match how {
            Close::Graceful => device.flush().map_err(|error| embedded_io::Error::kind(&error).into()),
            Close::Abort => Ok(()),
        }
    }
}
