//! Programs with a standard library as components for WASI 0.3.
//!
//! They are compiled for `wasm32-wasip2`, whose standard library uses WASI 0.2: for a component it
//! is no matter that it imports both. Only its entry has to be that of 0.3 (async-run).

use std::process::{ExitCode, Termination};

/// The types of the imports, for the linker of components; see `wit/waitable-set.wit`.
#[unsafe(link_section = "component-type:selkie-waitable-set")]
#[expect(dead_code, reason = "the linker reads it, and it takes no memory")]
static IMPORTS: [u8; include_bytes!("imports.component-type").len()] =
    *include_bytes!("imports.component-type");

/// The type of the export that [`export_run`](crate::export_run) makes.
#[doc(hidden)]
pub const __RUN_TYPE: [u8; include_bytes!("run.component-type").len()] =
    *include_bytes!("run.component-type");

/// Converts the result of a `main` to that of `wasi:cli/run`: 0 for success, 1 for failure. Prints
/// an error as the standard library does.
#[doc(hidden)]
pub fn __run_result(result: impl Termination) -> u32 {
    u32::from(result.report() != ExitCode::SUCCESS)
}

/// Exports a function as the entry of a component for WASI 0.3. It takes no arguments, and returns
/// anything that a `main` may return; in a program it is `main` itself.
///
/// The crate is a program or a `cdylib` for `wasm32-wasip2`, with the feature `waitable-set`.
#[macro_export]
macro_rules! export_run {
    ($main:path) => {
        const _: () = {
            #[unsafe(link_section = "component-type:selkie-run")]
            #[allow(dead_code, reason = "the linker reads it, and it takes no memory")]
            static RUN_TYPE: [u8; $crate::__RUN_TYPE.len()] = $crate::__RUN_TYPE;

            #[unsafe(export_name = "wasi:cli/run@0.3.0#run")]
            #[allow(clippy::main_recursion, reason = "the host calls this, and `main` does not")]
            extern "C" fn run() -> u32 {
                $crate::__run_result($main())
            }
        };
    };
}
