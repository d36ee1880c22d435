//! The WASI 0.2 and 0.3 half of the echo server: a listener on the host's network.
//!
//! ```text
//! cargo run --release --example echo --target wasm32-wasip2 -- 127.0.0.1:7000
//! ```
//!
//! That is, once it is built:
//!
//! ```text
//! wasmtime run -S inherit-network target/wasm32-wasip2/release/examples/echo.wasm 127.0.0.1:7000
//! ```
//!
//! With the feature `waitable-set` it is a component for WASI 0.3, which the same command runs:
//!
//! ```text
//! cargo rustc --release --example echo --crate-type cdylib --target wasm32-wasip2 \
//!     --features waitable-set
//! ```

#[path = "wasi.rs"]
mod wasi;

use selkie::{Error, ErrorKind, Socket};
pub(crate) use wasi::{BUFFERS_EACH, Backend, Termination, print};

/// The backlog; the host cuts it down to its own limit.
const BACKLOG: u32 = 4096;

#[cfg(not(feature = "waitable-set"))]
type Platform = selkie::IoPoll<'static>;
#[cfg(feature = "waitable-set")]
type Platform = selkie::WaitableSet;

#[cfg(feature = "waitable-set")]
selkie::export_run!(crate::main);

/// Creates a platform for `slots` sources.
#[cfg(not(feature = "waitable-set"))]
fn platform(slots: usize) -> Result<Platform, Error> {
    Platform::new(selkie::IoPollStorage::leaked(slots))
}

/// Creates a platform for `slots` sources.
#[cfg(feature = "waitable-set")]
#[expect(clippy::unnecessary_wraps, reason = "that of WASI 0.2 can fail")]
fn platform(slots: usize) -> Result<Platform, Error> {
    Ok(Platform::new(selkie::WaitableSetStorage::leaked(slots)))
}

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: Platform,
    pub(crate) listener: Socket,
    /// The address and the backend, without the closing parenthesis.
    pub(crate) description: String,
}

/// Opens the platform and its listener.
pub(crate) fn open(arguments: &super::Arguments, slots: usize) -> Result<Opened, String> {
    let mut platform =
        platform(slots).map_err(|error| format!("cannot open the platform: {error}"))?;
    let listener = platform.listen(arguments.address, BACKLOG).map_err(|error| {
        let advice = advice(error.kind());
        format!("cannot listen on {}: {error}; {advice}", arguments.address)
    })?;
    let address = platform
        .local_address(listener)
        .map_err(|error| format!("the listener has no address: {error}"))?;
    let backend = arguments.backend.unwrap_or_default();
    Ok(Opened { platform, listener, description: format!("{address} ({backend}") })
}

/// Returns what to do about a listener that cannot be opened.
const fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AddressInUse => {
            "another program listens there: stop it, or choose another port (0 for any free one)"
        }
        ErrorKind::PermissionDenied => {
            "the host does not allow it: run it with `wasmtime run -S inherit-network`, and choose \
             a port above 1023"
        }
        ErrorKind::AddressUnavailable => {
            "that address is not one of the host: try 127.0.0.1 or 0.0.0.0"
        }
        _ => "try another address",
    }
}
