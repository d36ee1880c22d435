//! The conformance suite over waitable sets, as a component for WASI 0.3: it prints what comes of
//! each case, and ends with the summary. `ci/steps/wasi-p3.sh` runs it.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
#[path = "../../../examples/wasm-p3/src/console.rs"]
#[allow(dead_code, reason = "the example says more than the suite")]
mod console;
#[cfg(target_arch = "wasm32")]
mod fixture;
#[cfg(target_arch = "wasm32")]
mod suite;
