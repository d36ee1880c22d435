//! A selector for tests that records its calls, and a function that calls every item of the traits.
//! A wrapper that forgets to forward an item records less.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Token};

use super::FdSelector;
use crate::Waker;
use crate::sys::source::{self, BorrowedSource};

/// The items of [`Selector`], [`Wait`] and [`Wake`], in the order of
/// [`call_every_item`].
pub(crate) const EVERY_ITEM: &[&str] = &[
    "register",
    "modify",
    "deregister",
    "poll",
    "next_deadline",
    "capabilities",
    "capacity",
    "now",
    "wait",
    "wait_for",
    "waker",
    "release_waker",
];

/// The selector. Its results differ from those of the traits' default bodies.
#[derive(Debug, Default)]
pub struct Recorder<'fd> {
    calls: RefCell<Vec<&'static str>>,
    borrowed: PhantomData<BorrowedSource<'fd>>,
}

impl Recorder<'_> {
    /// Returns the names of the items that were called.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    fn record(&self, item: &'static str) {
        self.calls.borrow_mut().push(item);
    }
}

/// Returns a descriptor for calls that do not use it.
pub(crate) fn source() -> BorrowedSource<'static> {
    // SAFETY: standard error stays open while the tests run, and a recorder uses no descriptor.
    unsafe { source::borrowed(2) }
}

/// Invokes every item of the traits once.
pub(crate) fn call_every_item<S: Wait + Wake>(selector: &mut S, source: S::Source) {
    let token = Token::new(0, 1);
    let mut slots = [Event::EMPTY; 1];
    let mut events = Events::new(&mut slots);
    selector.register(source, token, Interest::READABLE, Mode::Level).unwrap();
    selector.modify(source, token, Interest::READABLE, Mode::Level).unwrap();
    selector.deregister(source, token).unwrap();
    selector.poll(Instant::ZERO, &mut events).unwrap();
    assert_eq!(selector.next_deadline(Instant::ZERO), Some(Instant::from_nanos(7)));
    assert!(selector.capabilities().contains(Capabilities::EDGE));
    assert_eq!(selector.capacity(), 7);
    assert_eq!(selector.now(), Instant::from_nanos(7));
    selector.wait(&mut events, None).unwrap();
    selector.wait_for(&mut events, Duration::ZERO).unwrap();
    assert_eq!(selector.waker(token).err(), Some(ErrorKind::Other.into()));
    selector.release_waker(token).unwrap();
}

impl<'fd> Selector for Recorder<'fd> {
    type Source = BorrowedSource<'fd>;

    fn register(
        &mut self,
        _source: Self::Source,
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.record("register");
        Ok(())
    }

    fn modify(
        &mut self,
        _source: Self::Source,
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        self.record("modify");
        Ok(())
    }

    fn deregister(&mut self, _source: Self::Source, _token: Token) -> Result<(), Error> {
        self.record("deregister");
        Ok(())
    }

    fn poll(&mut self, _now: Instant, _events: &mut Events<'_>) -> Result<(), Error> {
        self.record("poll");
        Ok(())
    }

    fn next_deadline(&mut self, _now: Instant) -> Option<Instant> {
        self.record("next_deadline");
        Some(Instant::from_nanos(7))
    }

    fn capabilities(&self) -> Capabilities {
        self.record("capabilities");
        Capabilities::EDGE
    }

    fn capacity(&self) -> usize {
        self.record("capacity");
        7
    }
}

impl Wait for Recorder<'_> {
    fn now(&mut self) -> Instant {
        self.record("now");
        Instant::from_nanos(7)
    }

    fn wait(&mut self, _events: &mut Events<'_>, _deadline: Option<Instant>) -> Result<(), Error> {
        self.record("wait");
        Ok(())
    }

    fn wait_for(&mut self, _events: &mut Events<'_>, _timeout: Duration) -> Result<(), Error> {
        self.record("wait_for");
        Ok(())
    }
}

impl Wake for Recorder<'_> {
    type Waker = Waker;

    fn waker(&mut self, _token: Token) -> Result<Waker, Error> {
        self.record("waker");
        Err(ErrorKind::Other.into())
    }

    fn release_waker(&mut self, _token: Token) -> Result<(), Error> {
        self.record("release_waker");
        Ok(())
    }
}

// SAFETY: a recorder uses no source at all.
unsafe impl FdSelector for Recorder<'static> {
    fn token_of(&self, _fd: BorrowedSource<'_>) -> Option<Token> {
        self.record("token_of");
        Some(Token::new(0, 1))
    }
}
