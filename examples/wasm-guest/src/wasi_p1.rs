//! The guest as a module for WASI 0.1.

use selkie_core::Error;
use selkie_wasi::{PollOneoff, PollOneoffStorage, Socket, StaticPollOneoff};

pub(crate) type Guest = PollOneoff<'static>;
pub(crate) type StaticGuest<const SLOTS: usize> = StaticPollOneoff<SLOTS>;

/// Opens the platform.
#[expect(clippy::unnecessary_wraps, reason = "that of WASI 0.2 can fail")]
pub(crate) fn open(storage: PollOneoffStorage<'static>) -> Result<Guest, Error> {
    Ok(PollOneoff::new(storage))
}

/// Takes the listener that the host has opened.
pub(crate) fn listen(platform: &mut Guest) -> Result<Socket, Error> {
    platform.preopened_listener()
}

/// Runs the program, for the host.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    if super::serve().is_err() {
        // SAFETY: the call takes a number and does not return.
        unsafe { wasi::proc_exit(2) }
    }
}
