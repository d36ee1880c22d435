//! What the echo server needs of WASI 0.2: a listener on the host's network.
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

use std::fmt;
use std::str::FromStr;

use selkie::{Context, ErrorKind, IoPoll, IoPollStorage, Socket};

/// The backlog; the host cuts it down to its own limit.
const BACKLOG: u32 = 4096;

/// The backend of WASI 0.2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend;

impl FromStr for Backend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "io_poll" { Ok(Self) } else { Err("WASI 0.2 has only io_poll".to_owned()) }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("io_poll")
    }
}

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: IoPoll<'static>,
    pub(crate) listener: Socket,
    /// The address and the backend, without the closing parenthesis.
    pub(crate) description: String,
}

/// Opens the platform and its listener.
pub(crate) fn open(arguments: &super::Arguments, slots: usize) -> Result<Opened, String> {
    let mut platform = IoPoll::new(IoPollStorage::leaked(slots))
        .map_err(|error| format!("cannot open the platform: {error}"))?;
    let listener = platform.listen(arguments.address, BACKLOG).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddressInUse => {
                "another program listens there: stop it, or choose another port (0 for any free one)"
            }
            ErrorKind::PermissionDenied => {
                "the host does not allow it: run it with `wasmtime run -S inherit-network`, and choose a port above 1023"
            }
            ErrorKind::AddressUnavailable => "that address is not one of the host: try 127.0.0.1 or 0.0.0.0",
            _ => "try another address",
        };
        format!("cannot listen on {}: {error}; {advice}", arguments.address)
    })?;
    let address = platform
        .local_address(listener)
        .map_err(|error| format!("the listener has no address: {error}"))?;
    let backend = arguments.backend.unwrap_or(Backend);
    Ok(Opened { platform, listener, description: format!("{address} ({backend}") })
}

/// The user's request to stop. WASI has no signals: the host ends the program.
pub(crate) struct Termination;

impl Termination {
    #[expect(clippy::unnecessary_wraps, reason = "other platforms can fail here")]
    pub(crate) fn watch(_context: &mut Context<'_, IoPoll<'static>>) -> Result<Self, String> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "other platforms ask a flag")]
    pub(crate) fn is_requested(&self) -> bool {
        false
    }
}
