//! Errors of a server that could not be started, or that ended.

#[cfg(not(target_os = "wasi"))]
use std::boxed::Box;
use std::fmt;
use std::net::SocketAddr;
#[cfg(not(target_os = "wasi"))]
use std::path::Path;

use selkie_core::{Error, ErrorKind};

use super::open;

/// A step that failed, the error, and what to do about it; in one sentence.
#[derive(Clone)]
pub struct ServeError {
    step: Step,
    error: Error,
}

/// The step that failed.
#[derive(Clone)]
pub(super) enum Step {
    /// Get memory for so many connections.
    Memory(usize),
    /// Raise the limit of descriptors for so many connections.
    #[cfg(not(target_os = "wasi"))]
    Descriptors(usize, selkie_std::DescriptorLimit),
    /// Open the selector or the platform over it.
    Platform,
    Listen(SocketAddr),
    /// Listen at the path of a Unix socket.
    #[cfg(not(target_os = "wasi"))]
    ListenUnix(Box<Path>),
    /// Take over a listener that was opened elsewhere.
    #[cfg(not(target_os = "wasi"))]
    Inherited,
    /// Take over the listener that the host has opened.
    #[cfg(all(target_os = "wasi", target_env = "p1"))]
    Preopened,
    Wait,
    /// Set up `io_uring`.
    #[cfg(target_os = "linux")]
    Ring,
    /// Have the system choose a listener by the core.
    #[cfg(unix)]
    Steer,
    /// Bind a thread to a core.
    #[cfg(unix)]
    Pin,
}

impl ServeError {
    pub(super) const fn new(step: Step, error: Error) -> Self {
        Self { step, error }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Returns true if the system does not allow `io_uring`, so that another backend may work.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub const fn is_without_ring(&self) -> bool {
        matches!(self.step, Step::Ring)
    }

    /// Returns the error without the step that failed.
    #[must_use]
    pub const fn error(&self) -> Error {
        self.error
    }

    /// Returns advice for the user; empty if there is none.
    fn advice(&self) -> &'static str {
        match (&self.step, self.error.kind()) {
            #[cfg(all(target_os = "wasi", target_env = "p1"))]
            (Step::Preopened, ErrorKind::InvalidSource) => {
                "the host opened no listening socket: run it with wasmtime 36 to 46 as `wasmtime \
                 run -S preview2=n -S tcplisten=127.0.0.1:7000`, or with wasmi as `wasmi run \
                 --tcplisten 127.0.0.1:7000`; later versions give sockets to WASI 0.2 only"
            }
            (Step::Listen(_), ErrorKind::AddressInUse) => {
                "stop the program that listens there, or choose another port (0 for any free one)"
            }
            (Step::Listen(_), ErrorKind::PermissionDenied) => open::PERMISSION_ADVICE,
            (Step::Listen(_), ErrorKind::AddressUnavailable) => {
                "that address is not one of this host: try 127.0.0.1 or 0.0.0.0"
            }
            (Step::Listen(_), _) => "try another address",
            #[cfg(not(target_os = "wasi"))]
            (Step::ListenUnix(_), kind) => Self::path_advice(kind),
            #[cfg(not(target_os = "wasi"))]
            (Step::Inherited, ErrorKind::InvalidSource) => {
                "it is no listening socket: a systemd unit of the type `.socket` passes one with \
                 `ListenStream=` and `Accept=no`"
            }
            #[cfg(target_os = "linux")]
            (Step::Ring, _) => selkie_std::uring::uring_advice(self.error),
            #[cfg(unix)]
            (Step::Steer, _) => "choose the distribution hash or least-loaded",
            #[cfg(unix)]
            (Step::Pin, _) => "run it without pinning",
            (Step::Memory(_), _) => "serve fewer connections, or with smaller buffers",
            _ => "",
        }
    }

    /// Returns advice about the path of a Unix socket.
    #[cfg(not(target_os = "wasi"))]
    const fn path_advice(kind: ErrorKind) -> &'static str {
        match kind {
            ErrorKind::AddressInUse => {
                "stop the program that listens there, remove the file if it is no socket, or \
                 choose another path"
            }
            ErrorKind::PermissionDenied => {
                "this user must be allowed to write to the folder: change its owner, or choose \
                 another path"
            }
            ErrorKind::InvalidInput => {
                "the system takes paths of up to about 100 bytes: choose a shorter one"
            }
            ErrorKind::NotRegistered => "make the folder first",
            ErrorKind::Unsupported => "listen on an address such as 127.0.0.1:7000 instead",
            _ => "try another path",
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Step::Memory(count) => write!(formatter, "no memory for {count} connections"),
            #[cfg(not(target_os = "wasi"))]
            Step::Descriptors(count, limit) => {
                // The limit's own text has the numbers, and says what to do.
                return write!(formatter, "cannot serve {count} clients: {limit}");
            }
            Step::Platform => formatter.write_str("cannot open the platform"),
            Step::Listen(address) => write!(formatter, "cannot listen on {address}"),
            #[cfg(not(target_os = "wasi"))]
            Step::ListenUnix(path) => write!(formatter, "cannot listen on {}", path.display()),
            #[cfg(not(target_os = "wasi"))]
            Step::Inherited => formatter.write_str("cannot use the listener that was passed on"),
            #[cfg(all(target_os = "wasi", target_env = "p1"))]
            Step::Preopened => formatter.write_str("cannot use the listening socket of the host"),
            Step::Wait => formatter.write_str("cannot wait for events"),
            #[cfg(target_os = "linux")]
            Step::Ring => formatter.write_str("cannot set up io_uring"),
            #[cfg(unix)]
            Step::Steer => formatter.write_str("cannot share out connections by core"),
            #[cfg(unix)]
            Step::Pin => formatter.write_str("cannot bind a thread to a core"),
        }?;
        write!(formatter, ": {}", self.error)?;
        match self.advice() {
            "" => Ok(()),
            advice => write!(formatter, "; {advice}"),
        }
    }
}

/// As `Display`: a `main` that returns an error prints it by `Debug`, and its user needs advice.
impl fmt::Debug for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
