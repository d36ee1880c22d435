//! The common part of the platforms of WASI 0.1, 0.2 and 0.3: one backend, and no waker.

use std::fmt;
use std::str::FromStr;

use selkie_core::platform::Selector;
use selkie_core::{Context, Error};

/// Advice about an address that may not be listened on.
pub(in crate::front_door) const PERMISSION_ADVICE: &str = "the host does not allow it: run it \
     with `wasmtime run -S inherit-network`, and choose a port above 1023";

/// The backend, of which a guest has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backend;

impl Backend {
    #[cfg(target_env = "p1")]
    const NAME: &'static str = "poll_oneoff";
    #[cfg(all(target_env = "p2", not(feature = "waitable-set")))]
    const NAME: &'static str = "io_poll";
    #[cfg(all(target_env = "p2", feature = "waitable-set"))]
    const NAME: &'static str = "waitable_set";
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        if name == Self::NAME { Ok(Self) } else { Err(UnknownBackend) }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(Self::NAME)
    }
}

/// The name of a backend that the platform does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBackend;

impl fmt::Display for UnknownBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "this platform has only the backend {}", Backend::NAME)
    }
}

impl std::error::Error for UnknownBackend {}

/// Wakes nothing: a guest has one thread, and its loop looks at its handle after each turn.
#[derive(Clone, Debug)]
pub(in crate::front_door) struct Waker;

impl Waker {
    #[expect(clippy::unnecessary_wraps, reason = "native platforms can fail at this")]
    pub(in crate::front_door) fn new<P: Selector>(
        _context: &mut Context<'_, P>,
    ) -> Result<Self, Error> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "native platforms have a waker")]
    pub(in crate::front_door) fn wake(&self) {}
}
