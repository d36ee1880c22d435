//! The native half of the echo server: a backend, a listener, enough descriptors, and signals.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use selkie::Backend;
use selkie::platform::{Events, Selector, Wait};
use selkie::{AnySelector, Context, Error, Event, Interest, Mode, Platform, Poll, Socket, Token};

/// The platform of the echo server.
pub(crate) type Native = Platform<AnySelector<'static>>;

/// The buffers of a connection: one for each direction, so that no client waits for the buffer of
/// another. Untouched pages cost nothing.
pub(crate) const BUFFERS_EACH: usize = 2;
/// The backlog; the system cuts it down to its own limit.
const BACKLOG: i32 = 4096;
/// Descriptors beside those of the clients: standard streams, selector, waker, listener, and some
/// to spare.
const DESCRIPTORS_EXTRA: u64 = 32;

/// The platform, listening.
pub(crate) struct Opened {
    pub(crate) platform: Native,
    pub(crate) listener: Socket,
    /// The address and the backend, without the closing parenthesis.
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

/// Formats why there is no listener, and what to do about it.
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

/// The user's request to stop.
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

/// Prints if that is possible at once. A reader that has left, a full disk and a full pipe must not
/// stop or delay the server.
pub(crate) fn print(mut output: impl Write + AsFd, text: &str) {
    if is_writable(&output).unwrap_or(false) {
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }
}

/// Returns whether `output` takes a page without blocking, as POSIX says of a pipe that is ready.
fn is_writable(output: &impl AsFd) -> Result<bool, Error> {
    let mut selector = Poll::new(1)?;
    selector.register(output.as_fd(), Token::new(0, 1), Interest::WRITABLE, Mode::Level)?;
    let mut batch = [Event::EMPTY];
    let mut events = Events::new(&mut batch);
    let now = selector.now();
    selector.poll(now, &mut events)?;
    Ok(!events.is_empty())
}
