//! The WASI 0.1 half of the echo server: the listener that the host has opened.
//!
//! ```text
//! cargo build --release --example echo --target wasm32-wasip1
//! cd target/wasm32-wasip1/release/examples
//! wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7000 echo.wasm
//! ```

#[path = "wasi.rs"]
mod wasi;

use selkie::{ErrorKind, PollOneoff, PollOneoffStorage, Socket};
pub(crate) use wasi::{BUFFERS_EACH, Backend, Termination, print};

/// The advice for a host that opened no listener.
const NO_LISTENER: &str = "\
the host gave this WASI 0.1 module no listening socket: run it with wasmtime 36 to 46 as \
`wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7000 echo.wasm`, or with wasmi as \
`wasmi run --tcplisten 127.0.0.1:7000 echo.wasm`; wasmtime 47 and later give sockets to WASI 0.2 \
only: build for wasm32-wasip2, and run that with `wasmtime run -S inherit-network echo.wasm`";

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: PollOneoff<'static>,
    pub(crate) listener: Socket,
    /// The address and the backend, without the closing parenthesis.
    pub(crate) description: String,
}

/// Opens the platform, and takes over its listener. Only the host knows the address; the one on
/// the command line is not used.
pub(crate) fn open(arguments: &super::Arguments, slots: usize) -> Result<Opened, String> {
    let mut platform = PollOneoff::new(PollOneoffStorage::leaked(slots));
    let listener = platform.preopened_listener().map_err(|error| match error.kind() {
        ErrorKind::InvalidSource => NO_LISTENER.to_owned(),
        _ => format!("cannot use the listening socket of the host: {error}"),
    })?;
    let backend = arguments.backend.unwrap_or_default();
    let description = format!("the socket that the host opened ({backend}");
    Ok(Opened { platform, listener, description })
}
