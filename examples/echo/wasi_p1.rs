//! What the echo server needs of WASI 0.1: the listener that the host has opened.
//!
//! ```text
//! cargo build --release --example echo --target wasm32-wasip1
//! wasmtime run -S preview2=n -S tcplisten=127.0.0.1:7000 target/wasm32-wasip1/release/examples/echo.wasm
//! ```

use std::fmt;
use std::str::FromStr;

use selkie::{Context, ErrorKind, PollOneoff, PollOneoffStorage, Socket};

/// What there is to wait with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend;

impl FromStr for Backend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "poll_oneoff" {
            Ok(Self)
        } else {
            Err("WASI 0.1 has only poll_oneoff".to_owned())
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("poll_oneoff")
    }
}

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: PollOneoff<'static>,
    pub(crate) listener: Socket,
    /// Where it listens and with what, less the closing parenthesis.
    pub(crate) description: String,
}

/// Opens the platform, and takes over its listener. Only the host knows the address of that; the
/// one on the command line means nothing here.
pub(crate) fn open(arguments: &super::Arguments, slots: usize) -> Result<Opened, String> {
    let mut platform = PollOneoff::new(PollOneoffStorage::leaked(slots));
    let listener = platform.preopened_listener().map_err(|error| match error.kind() {
        ErrorKind::InvalidSource => {
            "the host gave this WASI 0.1 module no listening socket: run it with wasmtime 36 to 46 as `wasmtime run -S \
             preview2=n -S tcplisten=127.0.0.1:7000 echo.wasm`, or with wasmi as `wasmi run --tcplisten 127.0.0.1:7000 \
             echo.wasm`; wasmtime 47 and later give sockets to WASI 0.2 only: build for wasm32-wasip2, and run that with \
             `wasmtime run -S inherit-network echo.wasm`"
                .to_owned()
        }
        _ => format!("cannot use the listening socket of the host: {error}"),
    })?;
    let backend = arguments.backend.unwrap_or(Backend);
    Ok(Opened {
        platform,
        listener,
        description: format!("the socket that the host opened ({backend}"),
    })
}

/// Whether the user wants the server to stop. WASI has no signals: the host ends the program.
pub(crate) struct Termination;

impl Termination {
    #[expect(clippy::unnecessary_wraps, reason = "other platforms can fail here")]
    pub(crate) fn watch(_context: &mut Context<'_, PollOneoff<'static>>) -> Result<Self, String> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "other platforms ask a flag")]
    pub(crate) fn is_requested(&self) -> bool {
        false
    }
}
