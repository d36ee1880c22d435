//! Tests of layout that the compiler runs, so that they hold on every target that this is built
//! for, also where no test can be run: what a slot costs, and that tables which are all zero may
//! lie in `.bss`.
#![no_std]

use core::mem::size_of;

use selkie_core::backend::SourceEntry;
use selkie_core::memory::{ConnectionEntry, Slot, TimerSlot};
use selkie_core::{Event, Token};
use selkie_smoltcp::Socket;

/// The memory of core for one slot of a loop with a server, the handle of its socket included.
const SLOT: usize =
    size_of::<Slot>() + size_of::<TimerSlot>() + size_of::<ConnectionEntry<Socket>>();

const _: () = {
    assert!(SLOT <= 84, "core's own cost of a slot");
    assert!(size_of::<Token>() == 8, "a token is one word of 64 bits, as a kernel's user data is");
    assert!(size_of::<Event>() <= 16, "an event is a token and its readiness");
    assert!(size_of::<SourceEntry>() <= 8, "what a backend knows of an index");
    assert!(
        size_of::<Option<Socket>>() == size_of::<Socket>(),
        "no source takes no room of its own"
    );
    assert!(size_of::<Socket>() <= 8, "a handle is copied freely");
    assert!(size_of::<selkie_smoltcp::Slot>() <= 64, "the bookkeeping of a socket");
};
