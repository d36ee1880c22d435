//! The guest as a module for WASI 0.1.

use selkie_core::Error;
use selkie_wasi::{PollOneoff, PollOneoffStorage, Socket, StaticPollOneoff};

pub(crate) type Guest = PollOneoff<'static>;
pub(crate) type StaticGuest<const SLOTS: usize> = StaticPollOneoff<SLOTS>;

/// The platform, and the listener that the host has opened.
pub(crate) fn open(storage: PollOneoffStorage<'static>) -> Result<(Guest, Socket), Error> {
    let mut platform = PollOneoff::new(storage);
    let listener = platform.preopened_listener()?;
    Ok((platform, listener))
}

/// Where the host starts the program.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    if super::serve().is_err() {
        // SAFETY: the call takes a number and does not return.
        unsafe { wasi::proc_exit(2) }
    }
}
