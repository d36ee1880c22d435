//! Completion ports.

use std::fmt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null_mut, without_provenance};
use std::time::Duration;

use selkie_core::Error;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};

use super::{clock, errno};
use crate::memory::Zeroable;

/// A queue of packets. Each has a key, and a context, which this crate uses as a number: the system
/// gives both back as they were passed in, and follows neither.
#[derive(Debug)]
pub(crate) struct Port(OwnedHandle);

/// A packet that was taken from the queue. All bits zero is one to begin with.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Packet(OVERLAPPED_ENTRY);

// SAFETY: a struct of integers, and of a pointer that may be null.
unsafe impl Zeroable for Packet {}
// SAFETY: the pointer is a number, which is never followed.
unsafe impl Send for Packet {}

impl Packet {
    /// A packet of zeros.
    pub(crate) const EMPTY: Self = Self(OVERLAPPED_ENTRY {
        lpCompletionKey: 0,
        lpOverlapped: null_mut(),
        Internal: 0,
        dwNumberOfBytesTransferred: 0,
    });

    /// Returns the key.
    pub(crate) const fn key(&self) -> usize {
        self.0.lpCompletionKey
    }

    /// Returns the context.
    pub(crate) fn context(&self) -> usize {
        self.0.lpOverlapped.addr()
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Packet({}, {})", self.key(), self.context())
    }
}

impl Port {
    /// Makes a port from which one thread at a time takes packets.
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: the arguments ask for a new port.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
        if port.is_null() {
            return Err(errno::last());
        }
        // SAFETY: the handle is new, so it has no other owner.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(port) }))
    }

    fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Attaches a file: the completions of all operations on it arrive at this port.
    pub(crate) fn attach(&self, file: &OwnedHandle, key: usize) -> Result<(), Error> {
        // SAFETY: both handles are open.
        let port = unsafe { CreateIoCompletionPort(file.as_raw_handle(), self.handle(), key, 0) };
        if port.is_null() { Err(errno::last()) } else { Ok(()) }
    }

    /// Adds a packet.
    pub(crate) fn post(&self, key: usize, context: usize) -> Result<(), Error> {
        let context = without_provenance(context);
        // SAFETY: the system does not follow the pointer.
        errno::check_true(unsafe { PostQueuedCompletionStatus(self.handle(), 0, key, context) })
    }

    /// Takes packets from the queue; sleeps up to `timeout` (`None`: without end) until there are
    /// some. Returns their number, 0 if the time is over.
    pub(crate) fn take(
        &self,
        packets: &mut [Packet],
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        let room = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let mut count = 0;
        // SAFETY: `packets` has `room` places, and `count` is a valid place for the result.
        let result = unsafe {
            GetQueuedCompletionStatusEx(
                self.handle(),
                packets.as_mut_ptr().cast(),
                room,
                &raw mut count,
                clock::milliseconds(timeout),
                0,
            )
        };
        if result != 0 {
            return Ok(count as usize);
        }
        match errno::number() {
            code if code.cast_unsigned() == WAIT_TIMEOUT => Ok(0),
            code => Err(errno::from_errno(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_as_they_were_posted() {
        let port = Port::new().unwrap();
        let mut packets = [Packet::EMPTY; 4];
        assert_eq!(port.take(&mut packets, Some(Duration::ZERO)), Ok(0));
        port.post(3, 7).unwrap();
        port.post(4, 0).unwrap();
        assert_eq!(port.take(&mut packets, None), Ok(2));
        assert_eq!((packets[0].key(), packets[0].context()), (3, 7));
        assert_eq!((packets[1].key(), packets[1].context()), (4, 0));
    }
}
