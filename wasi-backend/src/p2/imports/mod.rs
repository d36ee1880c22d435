//! The imports of WASI 0.2 by the canonical ABI, and the reasons why they are safe to call.
//!
//! Handles are numbers above zero. The host ends the program if it gets one that it did not issue,
//! or one that was dropped; the backend owns every handle that it uses. So a function that takes
//! only numbers is safe to call. A function that returns more than one number writes to memory that
//! it is given, in the layout that is declared as a `struct`. That is always a local value, which
//! is valid for the call.

mod address;
#[cfg(target_arch = "wasm32")]
pub(crate) mod lookup;
mod streams;
mod tcp;
#[cfg(target_arch = "wasm32")]
pub(crate) mod udp;

pub(crate) use self::streams::*;
pub(crate) use self::tcp::*;

/// A handle of the host, or 0 for none.
pub(crate) type Handle = u32;

/// The types of the imports, for the linker of components; see `wit/imports.wit`.
#[unsafe(link_section = "component-type:selkie-wasi")]
#[expect(dead_code, reason = "the linker reads it, and it takes no memory")]
static COMPONENT_TYPE: [u8; include_bytes!("../imports.component-type").len()] =
    *include_bytes!("../imports.component-type");
