//! The guest as a component for WASI 0.2.

use selkie_core::Error;
use selkie_wasi::{IoPoll, IoPollStorage, Socket, StaticIoPoll};

pub(crate) type Guest = IoPoll<'static>;
pub(crate) type StaticGuest<const SLOTS: usize> = StaticIoPoll<SLOTS>;

selkie_wasi::export_cabi_realloc!();

/// Opens the platform.
pub(crate) fn open(storage: IoPollStorage<'static>) -> Result<Guest, Error> {
    IoPoll::new(storage)
}

/// Opens the listener.
pub(crate) fn listen(platform: &mut Guest) -> Result<Socket, Error> {
    platform.listen(super::ADDRESS, 128)
}

/// The types of the exports, for the linker of components; see `wit/guest.wit`.
#[unsafe(link_section = "component-type:wasm-guest")]
#[expect(dead_code, reason = "it is there for the linker, and takes no memory")]
static COMPONENT_TYPE: [u8; include_bytes!("../wit/guest.component-type").len()] =
    *include_bytes!("../wit/guest.component-type");

/// Runs the program, for the host, and returns 0 for success, 1 for failure.
#[unsafe(export_name = "wasi:cli/run@0.2.0#run")]
extern "C" fn run() -> u32 {
    u32::from(super::serve().is_err())
}
