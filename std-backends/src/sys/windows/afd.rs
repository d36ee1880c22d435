//! The device AFD, which Winsock itself is built on: polls of single sockets that complete when one
//! of the events that they ask for happens.
//!
//! The device is not documented, but its interface has been the same since Windows Vista; libraries
//! in wide use rely on it.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *base-socket*: a layered service provider may put its own socket before the one that AFD
//!   knows.
//! * *both-buffers*: input and output are the same memory, and both are used until the completion.
//! * *no-packet*: a poll that fails at once has no completion; one that succeeds at once has.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut, without_provenance};

use selkie_core::{Error, Interest, Readiness};
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, NtCancelIoFileEx, NtCreateFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{
    HANDLE, NTSTATUS, STATUS_PENDING, UNICODE_STRING, WIN32_ERROR,
};
use windows_sys::Win32::Networking::WinSock::{
    SIO_BASE_HANDLE, SIO_BSP_HANDLE_POLL, SOCKET, WSAIoctl,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE, SetFileCompletionNotificationModes,
};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};

use super::errno;
use super::port::Port;
use super::socket::{length_of, start_up};
use super::source::{RawSource, winsock};
use crate::memory::Zeroable;

/// The control code of a poll.
const POLL: u32 = 0x0001_2024;
/// Completions set no event on the device's handle: nothing waits for it.
const SKIP_SET_EVENT: u8 = 2;

/// Events of a poll.
pub(crate) mod event {
    pub(crate) const RECEIVE: u32 = 0x001;
    pub(crate) const RECEIVE_URGENT: u32 = 0x002;
    pub(crate) const SEND: u32 = 0x004;
    /// The peer has ended its stream.
    pub(crate) const DISCONNECT: u32 = 0x008;
    /// The connection was reset.
    pub(crate) const ABORT: u32 = 0x010;
    /// The socket was closed on this side.
    pub(crate) const LOCAL_CLOSE: u32 = 0x020;
    pub(crate) const ACCEPT: u32 = 0x080;
    pub(crate) const CONNECT_FAIL: u32 = 0x100;
    /// Reported with every interest, but none.
    pub(crate) const ALWAYS: u32 = ABORT | LOCAL_CLOSE | CONNECT_FAIL;
}

/// The argument and the result of a poll of one socket.
#[repr(C)]
#[derive(Debug)]
struct PollInfo {
    /// The timeout in units of 100 ns; the largest number means without end.
    timeout: i64,
    sockets: u32,
    is_exclusive: u32,
    socket: SOCKET,
    events: u32,
    status: NTSTATUS,
}

/// The memory of one poll. The kernel writes into it until the completion of the poll has been
/// taken from the port.
///
/// All bits zero is the value to begin with.
#[repr(C)]
pub struct AfdOperation {
    status: IO_STATUS_BLOCK,
    info: PollInfo,
}

// SAFETY: structs of integers, and of pointers that may be null.
unsafe impl Zeroable for AfdOperation {}

// SAFETY: the pointer in the status block is never followed.
unsafe impl Send for AfdOperation {}
// SAFETY: as above.
unsafe impl Sync for AfdOperation {}

impl std::fmt::Debug for AfdOperation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AfdOperation").finish_non_exhaustive()
    }
}

impl AfdOperation {
    /// Memory that no poll has used yet: all bits zero.
    pub const EMPTY: Self = Self {
        status: IO_STATUS_BLOCK {
            Anonymous: IO_STATUS_BLOCK_0 { Pointer: null_mut() },
            Information: 0,
        },
        info: PollInfo { timeout: 0, sockets: 0, is_exclusive: 0, socket: 0, events: 0, status: 0 },
    };
}

/// The result of a completed poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Events, perhaps none.
    Events(u32),
    /// The poll was cancelled.
    Cancelled,
    /// The poll failed.
    Failed,
}

/// Opens a handle of the device.
fn create() -> Result<OwnedHandle, Error> {
    let name: [u16; NAME.len()] = std::array::from_fn(|index| NAME[index].into());
    #[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
    let length = size_of_val(&name) as u16;
    let name =
        UNICODE_STRING { Length: length, MaximumLength: length, Buffer: name.as_ptr().cast_mut() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: length_of::<OBJECT_ATTRIBUTES>().cast_unsigned(),
        RootDirectory: null_mut(),
        ObjectName: &raw const name,
        Attributes: 0,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    };
    let mut handle: HANDLE = null_mut();
    let mut status = AfdOperation::EMPTY.status;
    // SAFETY: the pointers are valid for the call, which is over when it returns.
    let result = unsafe {
        NtCreateFile(
            &raw mut handle,
            SYNCHRONIZE,
            &raw const attributes,
            &raw mut status,
            null(),
            0,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            FILE_OPEN,
            0,
            null(),
            0,
        )
    };
    if result < 0 {
        return Err(errno::from_status(result));
    }
    // SAFETY: the handle is new, so it has no other owner.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A handle of the device.
#[derive(Debug)]
pub(crate) struct Device(OwnedHandle);

impl Device {
    /// Opens the device, and has its completions arrive at `port` with the key 0.
    pub(crate) fn open(port: &Port) -> Result<Self, Error> {
        let device = create()?;
        port.attach(&device, 0)?;
        // SAFETY: the handle is open.
        errno::check_true(unsafe {
            SetFileCompletionNotificationModes(device.as_raw_handle(), SKIP_SET_EVENT)
        })?;
        Ok(Self(device))
    }

    fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Begins a poll of a base socket for `events`. Its completion arrives at the port with
    /// `context`, which is not 0. An error means that there will be none (no-packet).
    ///
    /// # Safety
    ///
    /// `operation` is valid for reads and writes, and used by nothing else, until the completion
    /// has been taken from the port.
    pub(crate) unsafe fn poll(
        &self,
        operation: *mut AfdOperation,
        base: SOCKET,
        events: u32,
        context: usize,
    ) -> Result<(), Error> {
        let info = PollInfo {
            timeout: i64::MAX,
            sockets: 1,
            is_exclusive: 0,
            socket: base,
            events,
            status: 0,
        };
        let mut status = AfdOperation::EMPTY.status;
        status.Anonymous.Status = STATUS_PENDING;
        // SAFETY: the caller promises that the memory is ours to write.
        unsafe { operation.write(AfdOperation { status, info }) };
        // SAFETY: the caller promises that the memory stays for as long as the kernel uses it
        // (both-buffers). The context is a number, which is not followed.
        let result = unsafe {
            let info = (&raw mut (*operation).info).cast();
            let length = length_of::<PollInfo>().cast_unsigned();
            NtDeviceIoControlFile(
                self.handle(),
                null_mut(),
                None,
                without_provenance(context),
                &raw mut (*operation).status,
                POLL,
                info,
                length,
                info,
                length,
            )
        };
        if is_error(result) { Err(errno::from_status(result)) } else { Ok(()) }
    }

    /// Asks the kernel to complete a poll now, unless it has completed already.
    ///
    /// # Safety
    ///
    /// The poll was begun with this device and operation.
    pub(crate) unsafe fn cancel(&self, operation: *mut AfdOperation) {
        let mut status = AfdOperation::EMPTY.status;
        // SAFETY: the address of the status block names the poll, and `status` is a valid place
        // for the result. A failure means that the poll has completed.
        unsafe {
            NtCancelIoFileEx(self.handle(), &raw const (*operation).status, &raw mut status);
        }
    }

    /// Asks the kernel to complete all polls of this device.
    pub(crate) fn cancel_all(&self) {
        let mut status = AfdOperation::EMPTY.status;
        // SAFETY: null means all, and `status` is a valid place for the result.
        unsafe { NtCancelIoFileEx(self.handle(), null(), &raw mut status) };
    }
}

/// Name of the device; the last part may be any.
const NAME: &[u8; 18] = b"\\Device\\Afd\\Selkie";

/// Returns true for a status of the severity "error". Others have a completion.
const fn is_error(status: NTSTATUS) -> bool {
    status.cast_unsigned() >> 30 == 3
}

/// Returns the findings of a completed poll.
///
/// # Safety
///
/// The completion of the poll has been taken from the port, so the kernel does not write any more.
pub(crate) unsafe fn found(operation: *const AfdOperation) -> Found {
    // SAFETY: as the caller promises; every bit pattern is a valid status.
    let (status, info) = unsafe { ((*operation).status.Anonymous.Status, &(*operation).info) };
    match status {
        windows_sys::Win32::Foundation::STATUS_CANCELLED => Found::Cancelled,
        status if is_error(status) => Found::Failed,
        _ if info.sockets == 0 => Found::Events(0),
        _ => Found::Events(info.events),
    }
}

/// Returns true until the kernel has completed a poll.
///
/// # Safety
///
/// The memory is valid for reads.
#[cfg(test)]
pub(crate) unsafe fn is_pending(operation: *const AfdOperation) -> bool {
    // SAFETY: as the caller promises; every bit pattern is a valid status.
    unsafe { (&raw const (*operation).status.Anonymous.Status).read_volatile() == STATUS_PENDING }
}

/// Returns the socket that AFD knows (base-socket).
pub(crate) fn base_socket(source: RawSource) -> Result<SOCKET, Error> {
    start_up();
    base_by(source, SIO_BASE_HANDLE).or_else(|error| {
        // A provider that fails the first question may answer the second, with another socket.
        match base_by(source, SIO_BSP_HANDLE_POLL) {
            Ok(base) if base != winsock(source) => Ok(base),
            _ => Err(error),
        }
    })
}

/// Asks for the socket behind a socket.
fn base_by(source: RawSource, question: u32) -> Result<SOCKET, Error> {
    let (mut base, mut length): (SOCKET, WIN32_ERROR) = (0, 0);
    // SAFETY: `base` and `length` are valid places for the results.
    let result = unsafe {
        WSAIoctl(
            winsock(source),
            question,
            null(),
            0,
            (&raw mut base).cast(),
            length_of::<SOCKET>().cast_unsigned(),
            &raw mut length,
            null_mut(),
            None,
        )
    };
    errno::check(result).map(|_| base)
}

/// Converts an interest.
pub(crate) fn events_of(interest: Interest) -> u32 {
    let mut events = if interest.is_empty() { 0 } else { event::ALWAYS };
    if interest.contains(Interest::READABLE) {
        events |= event::RECEIVE | event::ACCEPT | event::DISCONNECT;
    }
    if interest.contains(Interest::WRITABLE) {
        events |= event::SEND;
    }
    if interest.contains(Interest::PRIORITY) {
        events |= event::RECEIVE_URGENT;
    }
    events
}

/// Converts events.
pub(crate) fn readiness(events: u32) -> Readiness {
    let mut readiness = Readiness::NONE;
    if events & (event::RECEIVE | event::ACCEPT) != 0 {
        readiness |= Readiness::READABLE;
    }
    if events & event::SEND != 0 {
        readiness |= Readiness::WRITABLE;
    }
    if events & event::RECEIVE_URGENT != 0 {
        readiness |= Readiness::PRIORITY;
    }
    if events & event::DISCONNECT != 0 {
        readiness |= Readiness::READ_CLOSED;
    }
    if events & event::ALWAYS != 0 {
        readiness |= Readiness::ERROR;
    }
    readiness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_both_ways() {
        assert_eq!(events_of(Interest::NONE), 0);
        assert_eq!(events_of(Interest::HANGUP), event::ALWAYS);
        assert_eq!(events_of(Interest::WRITABLE), event::ALWAYS | event::SEND);
        assert_eq!(
            readiness(event::RECEIVE | event::SEND),
            Readiness::READABLE | Readiness::WRITABLE
        );
        assert_eq!(readiness(event::DISCONNECT), Readiness::READ_CLOSED);
        assert_eq!(readiness(event::ABORT), Readiness::ERROR);
    }

    #[test]
    fn only_errors_have_no_completion() {
        assert!(is_error(windows_sys::Win32::Foundation::STATUS_INVALID_HANDLE));
        assert!(!is_error(STATUS_PENDING) && !is_error(0));
    }
}
