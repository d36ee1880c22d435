//! From embedded-io to a platform: devices as sources of a loop.

use embedded_io::{Read, ReadReady, Write, WriteReady};
use heapless::Vec;

use crate::backend::{check_tenant, check_vacant};
use crate::contract::{
    Capabilities, Close, Error, ErrorKind, Event, Events, Instant, Interest, Mode, Readiness,
    Selector, Token, Transport,
};

/// The token of a device that is not registered.
const UNREGISTERED: Token = Token::from_u64(0);

/// The handle of a device in a [`DevicePoller`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Device(usize);

/// A device and its registration. Devices are few, so a search is faster and takes less memory than
/// a table by the loop's slots.
#[derive(Debug)]
struct Entry<D> {
    device: D,
    /// The token that it is registered under, or the empty one.
    token: Token,
    /// The current interest: nothing, once it was reported in oneshot mode.
    armed: Interest,
    oneshot: bool,
}

impl<D> Entry<D> {
    /// Returns true if it is registered: no token that was issued has the generation 0.
    const fn is_registered(&self) -> bool {
        self.token.generation() != 0
    }

    /// Registers the device, or changes what it is watched for.
    fn watch(&mut self, token: Token, interest: Interest, mode: Mode) {
        self.token = token;
        self.armed = interest;
        self.oneshot = mode == Mode::Oneshot;
    }
}

/// A selector over up to `DEVICES` [`embedded_io`] devices, such as UARTs, which it polls one
/// by one; for a loop of at most `SLOTS` sources.
///
/// Beside a network platform, in [`Pair`](crate::adapters::Pair), it lets one loop serve a console
/// and sockets. A device has no listener and no peer: `accept`, `connect` and ends of streams are
/// unsupported, and closing flushes.
///
/// A device that is ready promises that the next call of `read` or `write` does not block, and
/// nothing of the call after it. So [`Transport::read`] and [`Transport::write`] ask the device
/// before each call, and return `WouldBlock` where it would block.
#[derive(Debug)]
pub struct DevicePoller<D, const DEVICES: usize, const SLOTS: usize> {
    devices: Vec<Entry<D>, DEVICES>,
    /// The device that the next poll asks first.
    first: usize,
}

impl<D, const DEVICES: usize, const SLOTS: usize> Default for DevicePoller<D, DEVICES, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D, const DEVICES: usize, const SLOTS: usize> DevicePoller<D, DEVICES, SLOTS> {
    /// Makes a selector without devices.
    #[must_use]
    pub const fn new() -> Self {
        Self { devices: Vec::new(), first: 0 }
    }

    /// Adds a device, which stays until the selector is dropped, and returns its handle.
    ///
    /// # Errors
    ///
    /// The device itself, when there is no room.
    pub fn add(&mut self, device: D) -> Result<Device, D> {
        let handle = Device(self.devices.len());
        let entry = Entry { device, token: UNREGISTERED, armed: Interest::NONE, oneshot: false };
        self.devices.push(entry).map_err(|entry| entry.device)?;
        Ok(handle)
    }

    /// Returns the device of a handle.
    #[must_use]
    pub fn device(&mut self, handle: Device) -> Option<&mut D> {
        self.devices.get_mut(handle.0).map(|entry| &mut entry.device)
    }

    /// Returns the entry of a handle. A handle of another selector may be an error.
    fn checked(&mut self, handle: Device) -> Result<&mut Entry<D>, Error> {
        self.devices.get_mut(handle.0).ok_or(Error::new(ErrorKind::InvalidSource))
    }

    /// Returns the position and the entry of the device that is registered at the index of `token`.
    fn registered(&mut self, token: Token) -> Option<(usize, &mut Entry<D>)> {
        let has_index =
            |entry: &Entry<D>| entry.token.index() == token.index() && entry.is_registered();
        self.devices.iter_mut().enumerate().find(|(_, entry)| has_index(entry))
    }

    /// Returns the entry of `source` if that is registered under `token`.
    fn tenant(&mut self, source: Device, token: Token) -> Result<&mut Entry<D>, Error> {
        let tenant = self.registered(token).map(|(_, entry)| entry.token);
        check_tenant(tenant, token)?;
        match self.registered(token) {
            Some((position, entry)) if position == source.0 => Ok(entry),
            _ => Err(Error::new(ErrorKind::InvalidSource)),
        }
    }
}

/// Refuses edges, since a device does not tell new input from old, and priority.
fn supported(interest: Interest, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge || interest.contains(Interest::PRIORITY) {
        return Err(Error::new(ErrorKind::Unsupported));
    }
    Ok(())
}

impl<D, const DEVICES: usize, const SLOTS: usize> Selector for DevicePoller<D, DEVICES, SLOTS>
where
    D: Read + ReadReady + Write + WriteReady,
{
    type Source = Device;

    fn register(
        &mut self,
        source: Device,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(interest, mode)?;
        let tenant = self.registered(token).map(|(_, entry)| entry.token);
        check_vacant(tenant, token, SLOTS)?;
        let entry = self.checked(source)?;
        if entry.is_registered() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        entry.watch(token, interest, mode);
        Ok(())
    }

    fn modify(
        &mut self,
        source: Device,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(interest, mode)?;
        self.tenant(source, token)?.watch(token, interest, mode);
        Ok(())
    }

    fn deregister(&mut self, source: Device, token: Token) -> Result<(), Error> {
        self.tenant(source, token)?.watch(UNREGISTERED, Interest::NONE, Mode::Level);
        Ok(())
    }

    fn poll(&mut self, _now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        let count = self.devices.len();
        for _ in 0..count {
            if events.room() == 0 {
                break;
            }
            let position = self.first;
            self.first = if position + 1 < count { position + 1 } else { 0 };
            let Some(entry) = self.devices.get_mut(position) else { break };
            let readiness = readiness(&mut entry.device, entry.armed);
            if readiness.is_empty() {
                continue;
            }
            // There is room.
            let _ = events.push(Event { token: entry.token, readiness });
            if entry.oneshot {
                entry.armed = Interest::NONE;
            }
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ERROR | Capabilities::HANGUP | Capabilities::CHECK
    }

    fn capacity(&self) -> usize {
        SLOTS
    }
}

/// Returns the readiness of a device. A device that fails to answer is broken.
fn readiness<D: ReadReady + WriteReady>(device: &mut D, interest: Interest) -> Readiness {
    let mut readiness = Readiness::NONE;
    if interest.intersects(Interest::READABLE | Interest::HANGUP) {
        match device.read_ready() {
            Ok(true) if interest.contains(Interest::READABLE) => readiness |= Readiness::READABLE,
            Ok(_) => {}
            Err(_) => readiness |= Readiness::ERROR.with_implied(),
        }
    }
    if interest.intersects(Interest::WRITABLE | Interest::HANGUP) {
        match device.write_ready() {
            Ok(true) if interest.contains(Interest::WRITABLE) => readiness |= Readiness::WRITABLE,
            Ok(_) => {}
            Err(_) => readiness |= Readiness::ERROR.with_implied(),
        }
    }
    readiness
}

/// Returns a device's error in the terms of this crate.
fn broken(error: &impl embedded_io::Error) -> Error {
    error.kind().into()
}

/// The error of an operation that no device has.
const UNSUPPORTED: Error = Error::new(ErrorKind::Unsupported);

impl<D, const DEVICES: usize, const SLOTS: usize> Transport for DevicePoller<D, DEVICES, SLOTS>
where
    D: Read + ReadReady + Write + WriteReady,
{
    /// A device connects to nothing.
    type Address = core::convert::Infallible;

    fn accept(&mut self, _listener: Device) -> Result<Device, Error> {
        Err(UNSUPPORTED)
    }

    fn connect(&mut self, address: &Self::Address) -> Result<Device, Error> {
        match *address {}
    }

    fn connected(&mut self, source: Device) -> Result<(), Error> {
        self.checked(source)?;
        Ok(())
    }

    fn read(&mut self, source: Device, buffer: &mut [u8]) -> Result<usize, Error> {
        let device = &mut self.checked(source)?.device;
        if !device.read_ready().map_err(|error| broken(&error))? {
            return Err(Error::WOULD_BLOCK);
        }
        device.read(buffer).map_err(|error| broken(&error))
    }

    fn write(&mut self, source: Device, bytes: &[u8]) -> Result<usize, Error> {
        let device = &mut self.checked(source)?.device;
        if !device.write_ready().map_err(|error| broken(&error))? {
            return Err(Error::WOULD_BLOCK);
        }
        device.write(bytes).map_err(|error| broken(&error))
    }

    /// Asks the device for its readiness: one that fails to answer is gone.
    fn check(&mut self, source: Device) -> Result<(), Error> {
        let device = &mut self.checked(source)?.device;
        device.read_ready().map_err(|error| broken(&error))?;
        device.write_ready().map_err(|error| broken(&error))?;
        Ok(())
    }

    fn shutdown_write(&mut self, _source: Device) -> Result<(), Error> {
        Err(UNSUPPORTED)
    }

    fn close(&mut self, source: Device, how: Close) -> Result<(), Error> {
        let device = &mut self.checked(source)?.device;
        match how {
            Close::Graceful => {
                device.flush().map_err(|error| embedded_io::Error::kind(&error).into())
            }
            Close::Abort => Ok(()),
        }
    }
}
