//! A selector that is chosen when the program runs.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::str::FromStr;

use selkie_core::{
    Capabilities, Error, Events, Instant, Interest, Mode, Selector, Token, Wait, Wake,
};

#[cfg(has_epoll)]
use crate::Epoll;
#[cfg(has_kqueue)]
use crate::Kqueue;
use crate::{Native, Poll, Select, Waker};

/// Which selector. The cases are those that the platform has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// [`Epoll`].
    #[cfg(has_epoll)]
    Epoll,
    /// [`Kqueue`].
    #[cfg(has_kqueue)]
    Kqueue,
    /// [`Poll`].
    Poll,
    /// [`Select`].
    Select,
}

impl Backend {
    /// The selectors that the platform has, the best one first.
    #[must_use]
    pub const fn available() -> &'static [Self] {
        &[
            #[cfg(has_epoll)]
            Self::Epoll,
            #[cfg(has_kqueue)]
            Self::Kqueue,
            Self::Poll,
            Self::Select,
        ]
    }

    /// The name, as [`FromStr`] takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(has_epoll)]
            Self::Epoll => "epoll",
            #[cfg(has_kqueue)]
            Self::Kqueue => "kqueue",
            Self::Poll => "poll",
            Self::Select => "select",
        }
    }
}

impl Default for Backend {
    /// The best one.
    fn default() -> Self {
        Self::available()[0]
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// The name of a selector that the platform does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBackend {
    name: String,
}

impl fmt::Display for UnknownBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no backend `{}` here; choose one of", self.name)?;
        for (position, backend) in Backend::available().iter().enumerate() {
            write!(formatter, "{} {backend}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownBackend {}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        let known = Self::available().iter().copied().find(|backend| backend.name() == name);
        known.ok_or_else(|| UnknownBackend { name: name.to_owned() })
    }
}

/// Any of the platform's selectors, chosen when the program runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnySelector<'fd> {
    /// See [`Epoll`].
    #[cfg(has_epoll)]
    Epoll(Epoll<'fd>),
    /// See [`Kqueue`].
    #[cfg(has_kqueue)]
    Kqueue(Kqueue<'fd>),
    /// See [`Poll`].
    Poll(Poll<'fd>),
    /// See [`Select`].
    Select(Select<'fd>),
}

impl AnySelector<'_> {
    /// A selector for up to `capacity` sources, the waker included.
    ///
    /// # Errors
    ///
    /// As the selector's own.
    pub fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        Ok(match backend {
            #[cfg(has_epoll)]
            Backend::Epoll => Self::Epoll(Epoll::new(capacity)?),
            #[cfg(has_kqueue)]
            Backend::Kqueue => Self::Kqueue(Kqueue::new(capacity)?),
            Backend::Poll => Self::Poll(Poll::new(capacity)?),
            Backend::Select => Self::Select(Select::new(capacity)?),
        })
    }

    /// Which one it is.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        match self {
            #[cfg(has_epoll)]
            Self::Epoll(_) => Backend::Epoll,
            #[cfg(has_kqueue)]
            Self::Kqueue(_) => Backend::Kqueue,
            Self::Poll(_) => Backend::Poll,
            Self::Select(_) => Backend::Select,
        }
    }
}

/// Calls the same method of whichever selector it is.
macro_rules! each {
    ($any:expr, $selector:ident => $call:expr) => {
        match $any {
            #[cfg(has_epoll)]
            AnySelector::Epoll($selector) => $call,
            #[cfg(has_kqueue)]
            AnySelector::Kqueue($selector) => $call,
            AnySelector::Poll($selector) => $call,
            AnySelector::Select($selector) => $call,
        }
    };
}

impl<'fd> Selector for AnySelector<'fd> {
    type Source = BorrowedFd<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        each!(self, selector => selector.register(source, token, interest, mode))
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        each!(self, selector => selector.modify(source, token, interest, mode))
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        each!(self, selector => selector.deregister(source, token))
    }

    #[inline]
    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        each!(self, selector => selector.poll(now, events))
    }

    fn capabilities(&self) -> Capabilities {
        each!(self, selector => selector.capabilities())
    }

    fn capacity(&self) -> usize {
        each!(self, selector => selector.capacity())
    }
}

impl Wait for AnySelector<'_> {
    #[inline]
    fn now(&mut self) -> Instant {
        each!(self, selector => selector.now())
    }

    #[inline]
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        each!(self, selector => selector.wait(events, deadline))
    }
}

impl Wake for AnySelector<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        each!(self, selector => selector.waker(token))
    }
}

// SAFETY: each of them keeps the promise, and this one does nothing with a source but hand it over
// to the one it is.
unsafe impl Native for AnySelector<'static> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_backends_are_the_same_thing() {
        for backend in Backend::available() {
            assert_eq!(backend.to_string().parse(), Ok(*backend));
            assert_eq!(AnySelector::new(*backend, 4).unwrap().backend(), *backend);
        }
        assert_eq!(Backend::default(), Backend::available()[0]);
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = "io_uring".parse::<Backend>().unwrap_err().to_string();
        assert!(message.contains("`io_uring`") && message.ends_with("poll, select"), "{message}");
    }
}
