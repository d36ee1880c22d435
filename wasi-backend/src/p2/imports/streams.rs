//! `wasi:io` and the clock.

use super::Handle;
use crate::p2::arena;
use crate::shared::poll_list::SubscriptionId;

/// The reason why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamError {
    /// The operation, or the one before it, failed. The host gives no reason.
    Failed,
    /// The end of this direction.
    Closed,
}

/// `wasi:io/streams.stream-error`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawStreamError {
    case: u8,
    error: Handle,
}

impl From<RawStreamError> for StreamError {
    fn from(raw: RawStreamError) -> Self {
        if raw.case == 0 {
            drop_error(raw.error);
            Self::Failed
        } else {
            Self::Closed
        }
    }
}

/// `result<_, stream-error>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawWritten {
    is_error: u8,
    error: RawStreamError,
}

/// `result<u64, stream-error>`; an error has its case in the first byte of the number, and its
/// handle in the upper half.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawPermit {
    is_error: u8,
    bytes: u64,
}

/// `list<T>`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawList {
    start: usize,
    len: usize,
}

/// `result<list<u8>, stream-error>`; an error has its case in the first byte of the start, and its
/// handle in the length.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawBytes {
    is_error: u8,
    list: RawList,
}

#[link(wasm_import_module = "wasi:io/error@0.2.0")]
unsafe extern "C" {
    #[link_name = "[resource-drop]error"]
    safe fn drop_error(error: Handle);
}

#[link(wasm_import_module = "wasi:io/poll@0.2.0")]
unsafe extern "C" {
    // On another target, where only a fuzzer compiles this, it would be the `poll` of the C
    // library.
    #[cfg_attr(target_os = "wasi", link_name = "poll")]
    fn raw_poll(pollables: *const Handle, len: usize, result: *mut RawList);
    /// Drops a pollable. child-first: always before its stream or socket.
    #[link_name = "[resource-drop]pollable"]
    pub(crate) safe fn drop_pollable(pollable: Handle);
}

#[link(wasm_import_module = "wasi:io/streams@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]input-stream.read"]
    fn raw_read(stream: Handle, len: u64, result: *mut RawBytes);
    /// Creates the pollable of reading.
    #[link_name = "[method]input-stream.subscribe"]
    pub(crate) safe fn input_subscribe(stream: Handle) -> Handle;
    /// Drops a stream.
    #[link_name = "[resource-drop]input-stream"]
    pub(crate) safe fn drop_input(stream: Handle);
    #[link_name = "[method]output-stream.check-write"]
    fn raw_check_write(stream: Handle, result: *mut RawPermit);
    #[link_name = "[method]output-stream.write"]
    fn raw_write(stream: Handle, bytes: *const u8, len: usize, result: *mut RawWritten);
    /// Creates the pollable of writing.
    #[link_name = "[method]output-stream.subscribe"]
    pub(crate) safe fn output_subscribe(stream: Handle) -> Handle;
    /// Drops a stream.
    #[link_name = "[resource-drop]output-stream"]
    pub(crate) safe fn drop_output(stream: Handle);
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "wasi:cli/stdin@0.2.0")]
unsafe extern "C" {
    /// Returns a stream of standard input.
    #[link_name = "get-stdin"]
    pub(crate) safe fn stdin() -> Handle;
}

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
unsafe extern "C" {
    /// Returns the nanoseconds of the host's monotonic clock.
    #[link_name = "now"]
    pub(crate) safe fn now() -> u64;
    /// Creates a pollable that is ready when that clock has reached `when`.
    #[link_name = "subscribe-instant"]
    pub(crate) safe fn subscribe_instant(when: u64) -> Handle;
}

/// Waits until one of the pollables is ready, of which there must be one at least. Returns the
/// number of ready ones and writes their positions to `ready`, which must have room for all of
/// them. Returns `None` if the program exports another `cabi_realloc` than this crate's.
pub(crate) fn poll(pollables: &[Handle], ready: &mut [SubscriptionId]) -> Option<usize> {
    let mut list = RawList::default();
    let (start, room) = (ready.as_ptr() as usize, ready.len());
    // SAFETY: the result is a local value. The host reads the list in place, and writes no more
    // than it has asked for, which is checked there.
    arena::lend(ready, || unsafe { raw_poll(pollables.as_ptr(), pollables.len(), &raw mut list) });
    (list.start == start || list.len == 0).then_some(list.len.min(room))
}

/// Reads the bytes that have arrived, and returns their number, which may be 0.
pub(crate) fn read(stream: Handle, buffer: &mut [u8]) -> Result<usize, StreamError> {
    let mut bytes = RawBytes::default();
    let (start, room) = (buffer.as_ptr() as usize, buffer.len());
    // SAFETY: the result is a local value. The host writes no more than it has asked for, which is
    // checked there.
    arena::lend(buffer, || unsafe { raw_read(stream, room as u64, &raw mut bytes) });
    if bytes.is_error != 0 {
        let case = bytes.list.start.to_le_bytes()[0];
        #[expect(
            clippy::cast_possible_truncation,
            reason = "addresses and handles have 32 bits on wasm32"
        )]
        let error = bytes.list.len as Handle;
        return Err(RawStreamError { case, error }.into());
    }
    // Bytes in other memory would be lost. `IoPoll::new` has checked that they are not.
    if bytes.list.start == start { Ok(bytes.list.len.min(room)) } else { Ok(0) }
}

/// Returns the largest number of bytes of the next [`write()`]. excess-write: more would end the
/// program.
pub(crate) fn check_write(stream: Handle) -> Result<u64, StreamError> {
    let mut permit = RawPermit::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_check_write(stream, &raw mut permit) };
    if permit.is_error == 0 {
        return Ok(permit.bytes);
    }
    let error = (permit.bytes >> 32) as Handle;
    Err(RawStreamError { case: permit.bytes.to_le_bytes()[0], error }.into())
}

/// Writes all of `bytes`, which [`check_write`] has just allowed.
pub(crate) fn write(stream: Handle, bytes: &[u8]) -> Result<(), StreamError> {
    let mut written = RawWritten::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_write(stream, bytes.as_ptr(), bytes.len(), &raw mut written) };
    if written.is_error == 0 { Ok(()) } else { Err(written.error.into()) }
}
