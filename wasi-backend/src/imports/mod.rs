//! The imports of WASI 0.2 as the canonical ABI has them, and what makes them safe to call.
//!
//! Handles are numbers above zero. The host ends the program if it is given one that it did not
//! issue, or one that was dropped; the backend owns all that it uses. So whatever takes nothing but
//! numbers is safe to call. A function that returns more than one number writes to memory that it
//! is given, in the layout that is written down here as a `struct`: always a local value, which is
//! valid for the call.

mod address;
mod streams;
mod tcp;

pub(crate) use self::streams::*;
pub(crate) use self::tcp::*;

/// A handle of the host's; 0 is none.
pub(crate) type Handle = u32;

/// Tells the linker of components what is imported here; see `wit/imports.wit`.
#[unsafe(link_section = "component-type:selkie-wasi")]
#[expect(dead_code, reason = "it is there for the linker, and takes no memory")]
static COMPONENT_TYPE: [u8; include_bytes!("../imports.component-type").len()] =
    *include_bytes!("../imports.component-type");
