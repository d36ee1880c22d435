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

use ::selkie::{Epoll, Poll, Select};
pub(crate) use chain::{Kind, Load, Sources};

/// An implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The hand-written loop.
    Floor,
    Selkie(Backend),
    Mio,
    Polling,
}

/// A selector of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Epoll,
    Poll,
    Select,
}

impl Contestant {
    pub(crate) const ALL: [Self; 6] = [
        Self::Floor,
        Self::Selkie(Backend::Epoll),
        Self::Selkie(Backend::Poll),
        Self::Selkie(Backend::Select),
        Self::Mio,
        Self::Polling,
    ];

    /// The contestants whose cost does not grow with the number of sources.
    pub(crate) const EPOLL: [Self; 4] =
        [Self::Floor, Self::Selkie(Backend::Epoll), Self::Mio, Self::Polling];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "hand-written epoll",
            Self::Selkie(Backend::Epoll) => "selkie epoll",
            Self::Selkie(Backend::Poll) => "selkie poll",
            Self::Selkie(Backend::Select) => "selkie select",
            Self::Mio => "mio",
            Self::Polling => "polling",
        }
    }

    /// Returns whether each wait looks at every source.
    pub(crate) const fn scans(self) -> bool {
        matches!(self, Self::Selkie(Backend::Poll | Backend::Select))
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|contestant| contestant.name() == name)
            .expect("a contestant's name")
    }

    /// Registers all sources, makes the load's writes, and gives the CPU time that those took,
    /// without the registering and the warming up.
    pub(crate) fn dispatch(self, sources: &Sources, load: Load) -> Duration {
        match self {
            Self::Floor => floor::dispatch(sources, load),
            Self::Selkie(Backend::Epoll) => {
                selkie::dispatch(Epoll::new(sources.len()), sources, load)
            }
            Self::Selkie(Backend::Poll) => {
                selkie::dispatch(Poll::new(sources.len()), sources, load)
            }
            Self::Selkie(Backend::Select) => {
                selkie::dispatch(Select::new(sources.len()), sources, load)
            }
            Self::Mio => mio::dispatch(sources, load),
            Self::Polling => polling::dispatch(sources, load),
        }
    }

    /// Registers and deregisters one source so many times, while all of `sources` are registered;
    /// gives the CPU time.
    pub(crate) fn churn(self, sources: &Sources, extra: BorrowedFd<'_>, times: u64) -> Duration {
        let capacity = sources.len() + 1;
        match self {
            Self::Floor => floor::churn(sources, extra, times),
            Self::Selkie(Backend::Epoll) => {
                selkie::churn(Epoll::new(capacity), sources, extra, times)
            }
            Self::Selkie(Backend::Poll) => {
                selkie::churn(Poll::new(capacity), sources, extra, times)
            }
            Self::Selkie(Backend::Select) => {
                selkie::churn(Select::new(capacity), sources, extra, times)
            }
            Self::Mio => mio::churn(sources, extra, times),
            Self::Polling => polling::churn(sources, extra, times),
        }
    }
}
