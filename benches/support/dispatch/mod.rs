//! The dispatch benchmark, which libevent began: sources in a ring, some of which are written to at
//! first. Each dispatched source is read and its neighbour is written to, until all writes are
//! made.

mod chain;
mod floor;
mod mio;
mod polling;
mod selkie;

use std::os::fd::BorrowedFd;
use std::time::Duration;

pub(crate) use ::selkie::platform::Backend;
pub(crate) use chain::{Kind, Load, Sources};

/// An implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The hand-written loop.
    Floor,
    Selkie(Backend),
    /// Ours over `io_uring`, which polls each source anew.
    Ring,
    Mio,
    Polling,
}

/// Makes what depends on the list of backends.
macro_rules! backends {
    ($($selector:ident $backend:ident,)+) => {
        impl Contestant {
            /// Ours, and their names.
            const SELKIE: &[(Backend, &str)] =
                &[$((Backend::$selector, concat!("selkie ", stringify!($backend)))),+];
        }

        fn dispatch_selkie(backend: Backend, sources: &Sources, load: Load) -> Duration {
            let capacity = sources.len();
            match backend {
                $(Backend::$selector => {
                    selkie::dispatch(::selkie::platform::$selector::new(capacity), sources, load)
                })+
                _ => unreachable!("all backends are in the list"),
            }
        }

        fn churn_selkie(
            backend: Backend,
            sources: &Sources,
            extra: BorrowedFd<'_>,
            times: u64,
        ) -> Duration {
            let capacity = sources.len() + 1;
            match backend {
                $(Backend::$selector => {
                    selkie::churn(::selkie::platform::$selector::new(capacity), sources, extra, times)
                })+
                _ => unreachable!("all backends are in the list"),
            }
        }
    };
}

::selkie::for_each_backend!(backends);

impl Contestant {
    /// Returns all contestants, the floor first.
    pub(crate) fn all() -> Vec<Self> {
        let ours = Self::SELKIE.iter().map(|&(backend, _)| Self::Selkie(backend));
        [Self::Floor].into_iter().chain(ours).chain([Self::Mio, Self::Polling]).collect()
    }

    /// The contestants whose cost does not grow with the number of sources.
    pub(crate) const EPOLL: [Self; 4] =
        [Self::Floor, Self::Selkie(Backend::Epoll), Self::Mio, Self::Polling];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "hand-written epoll",
            Self::Selkie(backend) => {
                let ours = Self::SELKIE.iter().find(|(other, _)| *other == backend);
                ours.map_or("selkie", |(_, name)| name)
            }
            Self::Ring => "selkie io_uring",
            Self::Mio => "mio",
            Self::Polling => "polling",
        }
    }

    /// Returns whether each wait looks at every source.
    pub(crate) const fn scans(self) -> bool {
        matches!(self, Self::Selkie(Backend::Poll | Backend::Select))
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::all()
            .into_iter()
            .find(|contestant| contestant.name() == name)
            .expect("a contestant's name")
    }

    /// Registers all sources, makes the load's writes, and gives the CPU time that those took,
    /// without the registering and the warming up.
    pub(crate) fn dispatch(self, sources: &Sources, load: Load) -> Duration {
        match self {
            Self::Floor => floor::dispatch(sources, load),
            Self::Selkie(backend) => dispatch_selkie(backend, sources, load),
            Self::Ring => selkie::dispatch_ring(sources, load),
            Self::Mio => mio::dispatch(sources, load),
            Self::Polling => polling::dispatch(sources, load),
        }
    }

    /// Registers and deregisters one source so many times, while all of `sources` are registered;
    /// gives the CPU time.
    pub(crate) fn churn(self, sources: &Sources, extra: BorrowedFd<'_>, times: u64) -> Duration {
        match self {
            Self::Floor => floor::churn(sources, extra, times),
            Self::Selkie(backend) => churn_selkie(backend, sources, extra, times),
            Self::Ring => unreachable!("its descriptors are its own"),
            Self::Mio => mio::churn(sources, extra, times),
            Self::Polling => polling::churn(sources, extra, times),
        }
    }
}
