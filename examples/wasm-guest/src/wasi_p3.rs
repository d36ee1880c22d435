//! The guest as a component for WASI 0.3.

use core::sync::atomic::AtomicU8;

use selkie_core::Error;
use selkie_wasi::{Socket, StaticWaitableSet, WaitableSet, WaitableSetStorage};

pub(crate) type Guest = WaitableSet;
pub(crate) type StaticGuest<const SLOTS: usize> = StaticWaitableSet<SLOTS>;

/// Memory for the text that an error of the host may have. Each takes the place of the one before,
/// as no one reads them.
static TEXT: [AtomicU8; 1024] = [const { AtomicU8::new(0) }; 1024];

/// Returns memory for what the host returns.
#[unsafe(export_name = "cabi_realloc")]
extern "C" fn cabi_realloc(_old: *mut u8, _old_size: usize, _align: usize, size: usize) -> *mut u8 {
    if size > TEXT.len() {
        core::arch::wasm32::unreachable();
    }
    TEXT.as_ptr().cast_mut().cast()
}

/// Opens the platform.
#[expect(clippy::unnecessary_wraps, reason = "that of WASI 0.2 can fail")]
pub(crate) fn open(storage: WaitableSetStorage) -> Result<Guest, Error> {
    Ok(WaitableSet::new(storage))
}

/// Opens the listener.
pub(crate) fn listen(platform: &mut Guest) -> Result<Socket, Error> {
    platform.listen(super::ADDRESS, 128)
}

/// Runs the program, for the host, and returns 0 for success, 1 for failure.
#[unsafe(export_name = "wasi:cli/run@0.3.0#run")]
extern "C" fn run() -> u32 {
    u32::from(super::serve().is_err())
}
