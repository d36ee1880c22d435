//! What the echo server needs of a native platform: a backend, a listener, enough descriptors, and
//! signals.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use selkie::Backend;
use selkie::{AnySelector, Context, Error, Platform, Socket};

/// The platform of the echo server.
pub(crate) type Native = Platform<AnySelector<'static>>;

/// How many clients may wait to be accepted; the system cuts it down to its own limit.
const BACKLOG: i32 = 4096;
/// Descriptors beside those of the clients: standard streams, selector, waker, listener, and some
/// to spare.
const DESCRIPTORS_EXTRA: u64 = 32;

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: Native,
    pub(crate) listener: Socket,
    /// Where it listens and with what, less the closing parenthesis.
    pub(crate) description: String,
}

/// Opens the platform and its listener.
pub(crate) fn open(arguments: &super::Arguments, slots: usize) -> Result<Opened, String> {
    let capacity = u64::from(arguments.capacity);
    selkie::raise_descriptor_limit(capacity + DESCRIPTORS_EXTRA)
        .map_err(|error| format!("cannot serve {capacity} clients: {error}"))?;
    let backend = arguments.backend.unwrap_or_default();
    let selector = AnySelector::new(backend, slots)
        .map_err(|error| format!("cannot open {backend}: {error}"))?;
    let mut platform = Platform::new(selector, slots)
        .map_err(|error| format!("cannot open the platform: {error}"))?;
    let listener = platform
        .listen(arguments.address, BACKLOG)
        .map_err(|error| cannot_listen(arguments.address, error))?;
    let address = platform
        .local_address(listener)
        .map_err(|error| cannot_listen(arguments.address, error))?;
    Ok(Opened { platform, listener, description: format!("{address} ({backend}") })
}

/// Why there is no listener, and what to do about it.
fn cannot_listen(address: SocketAddr, error: Error) -> String {
    let advice = match std::io::Error::from(error).kind() {
        ErrorKind::AddrInUse => {
            "stop the program that listens there, or choose another port (0 for any free one)"
        }
        ErrorKind::PermissionDenied => "ports below 1024 need privileges: choose a higher one",
        ErrorKind::AddrNotAvailable => "try 127.0.0.1 or 0.0.0.0",
        _ => "try another address",
    };
    format!("cannot listen on {address}: {error}; {advice}")
}

/// Whether the user wants the server to stop.
pub(crate) struct Termination(Arc<AtomicBool>);

impl Termination {
    /// Watches for SIGINT and SIGTERM; they wake the loop.
    pub(crate) fn watch(context: &mut Context<'_, Native>) -> Result<Self, String> {
        let (_, waker) =
            context.waker().map_err(|error| format!("cannot make a waker: {error}"))?;
        let requested = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&requested);
        let handler = move || {
            flag.store(true, Ordering::Release);
            waker.wake();
        };
        ctrlc::set_handler(handler)
            .map_err(|error| format!("cannot watch for signals: {error}"))?;
        Ok(Self(requested))
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
