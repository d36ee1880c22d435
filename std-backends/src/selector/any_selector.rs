//! A selector that is chosen when the program runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, Instant, Interest, Mode, Token};

use super::FdSelector;
#[cfg(test)]
use super::recorder::Recorder;
use crate::Waker;
use crate::sys::source::BorrowedSource;

/// Makes [`Backend`] and [`AnySelector`] from the list of native backends in `build.rs`. The first
/// argument is a `$`, for the macro within.
macro_rules! any_selector {
    (($d:tt) $($selector:ident $name:ident,)+) => {
        /// The kind of a selector. The variants are those that the platform has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Backend {
            $(
                #[doc = concat!("[`", stringify!($selector), "`](super::", stringify!($selector))]
                #[doc = ")."]
                $selector,
            )+
            /// A stand-in for the tests.
            #[cfg(test)]
            Recorder,
        }

        impl Backend {
            /// Returns the selectors that the platform has, the best one first.
            #[must_use]
            pub const fn available() -> &'static [Self] {
                &[$(Self::$selector),+]
            }

            /// Returns the name, as [`FromStr`] takes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$selector => stringify!($name),)+
                    #[cfg(test)]
                    Self::Recorder => "recorder",
                }
            }
        }

        /// Any of the platform's selectors, chosen when the program runs.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum AnySelector<'fd> {
            $(
                #[doc = "See"]
                #[doc = concat!("[`", stringify!($selector), "`](super::", stringify!($selector))]
                #[doc = ")."]
                $selector(super::$selector<'fd>),
            )+
            /// A stand-in for the tests.
            #[cfg(test)]
            Recorder(Recorder<'fd>),
        }

        impl AnySelector<'_> {
            /// Makes a selector for up to `capacity` sources, the waker included.
            ///
            /// # Errors
            ///
            /// As the selector's own.
            pub fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
                Ok(match backend {
                    $(Backend::$selector => Self::$selector(super::$selector::new(capacity)?),)+
                    #[cfg(test)]
                    Backend::Recorder => Self::Recorder(Recorder::default()),
                })
            }

            /// Returns the bytes that a selector for `capacity` sources takes from the heap. Most
            /// are untouched pages. The process is expected to have a hard limit of at least
            /// `descriptors` by then, as
            /// [`raise_descriptor_limit`](crate::raise_descriptor_limit) provides it.
            #[must_use]
            pub fn memory(backend: Backend, capacity: usize, descriptors: u64) -> usize {
                let limit = crate::sys::source_index::hard_limit().unwrap_or(0).max(descriptors);
                match backend {
                    $(Backend::$selector => super::$selector::memory(capacity, limit),)+
                    #[cfg(test)]
                    Backend::Recorder => 0,
                }
            }

            /// Returns the kind of this selector.
            #[must_use]
            pub const fn backend(&self) -> Backend {
                match self {
                    $(Self::$selector(_) => Backend::$selector,)+
                    #[cfg(test)]
                    Self::Recorder(_) => Backend::Recorder,
                }
            }
        }

        /// Calls the same method of each variant.
        macro_rules! forward {
            ($d any:expr, $d selector:ident => $d call:expr) => {
                match $d any {
                    $(AnySelector::$selector($d selector) => $d call,)+
                    #[cfg(test)]
                    AnySelector::Recorder($d selector) => $d call,
                }
            };
        }
    };
}

for_each_backend!(any_selector, ($));

impl Default for Backend {
    /// Returns the best one.
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
        write!(formatter, "this platform has no backend `{}`; choose one of", self.name)?;
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

impl<'fd> Selector for AnySelector<'fd> {
    type Source = BorrowedSource<'fd>;

    fn register(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        forward!(self, selector => selector.register(source, token, interest, mode))
    }

    fn modify(
        &mut self,
        source: Self::Source,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        forward!(self, selector => selector.modify(source, token, interest, mode))
    }

    fn deregister(&mut self, source: Self::Source, token: Token) -> Result<(), Error> {
        forward!(self, selector => selector.deregister(source, token))
    }

    #[inline]
    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        forward!(self, selector => selector.poll(now, events))
    }

    #[inline]
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        forward!(self, selector => selector.next_deadline(now))
    }

    fn capabilities(&self) -> Capabilities {
        forward!(self, selector => selector.capabilities())
    }

    fn capacity(&self) -> usize {
        forward!(self, selector => selector.capacity())
    }
}

impl Wait for AnySelector<'_> {
    #[inline]
    fn now(&mut self) -> Instant {
        forward!(self, selector => selector.now())
    }

    #[inline]
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        forward!(self, selector => selector.wait(events, deadline))
    }

    #[inline]
    fn wait_for(&mut self, events: &mut Events<'_>, timeout: Duration) -> Result<(), Error> {
        forward!(self, selector => selector.wait_for(events, timeout))
    }
}

impl Wake for AnySelector<'_> {
    type Waker = Waker;

    fn waker(&mut self, token: Token) -> Result<Waker, Error> {
        forward!(self, selector => selector.waker(token))
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        forward!(self, selector => selector.release_waker(token))
    }
}

// SAFETY: each variant keeps the promise, and a source is only passed on to it.
unsafe impl FdSelector for AnySelector<'static> {
    fn token_of(&self, fd: BorrowedSource<'_>) -> Option<Token> {
        forward!(self, selector => selector.token_of(fd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::recorder;

    #[test]
    fn names_and_backends_are_the_same_list() {
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

    #[test]
    fn every_item_of_the_traits_is_forwarded() {
        let mut selector = AnySelector::new(Backend::Recorder, 0).unwrap();
        recorder::call_every_item(&mut selector, recorder::source());
        let AnySelector::Recorder(recorder) = selector else { unreachable!("made as one") };
        assert_eq!(recorder.calls(), recorder::EVERY_ITEM);
    }
}
