//! An echo server for many clients as a component for WASI 0.3, without an allocator and without a
//! standard library: its memory is the linker's business. What it does with the clients' bytes is
//! `examples/services/src/echo.rs`, as everywhere.
//!
//! ```text
//! ci/build-p3 echo.wasm
//! wasmtime run -S inherit-network echo.wasm 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod console;
#[cfg(target_arch = "wasm32")]
mod guest;
