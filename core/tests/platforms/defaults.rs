//! The methods that a platform need not write.

use core::time::Duration;

use selkie_core::platform::{Capabilities, Close, Events, Selector, Transport, Wait, Wake};
use selkie_core::{Error, ErrorKind, Event, Instant, Interest, Mode, Token};

/// A platform with a clock that stands still and nothing else; it keeps the deadlines of its waits.
#[derive(Debug, Default)]
struct Bare {
    now: Instant,
    deadlines: Vec<Option<Instant>>,
    written: Vec<Vec<u8>>,
}

impl Selector for Bare {
    type Source = ();

    fn register(
        &mut self,
        (): (),
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn modify(
        &mut self,
        (): (),
        _token: Token,
        _interest: Interest,
        _mode: Mode,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn deregister(&mut self, (): (), _token: Token) -> Result<(), Error> {
        Ok(())
    }

    fn poll(&mut self, _now: Instant, _events: &mut Events<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn capacity(&self) -> usize {
        0
    }
}

impl Wait for Bare {
    fn now(&mut self) -> Instant {
        self.now
    }

    fn wait(&mut self, _events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.deadlines.push(deadline);
        Ok(())
    }
}

impl Wake for Bare {
    type Waker = ();

    fn waker(&mut self, _token: Token) -> Result<(), Error> {
        Ok(())
    }
}

impl Transport for Bare {
    type Address = ();

    fn accept(&mut self, (): ()) -> Result<(), Error> {
        Err(Error::WOULD_BLOCK)
    }

    fn connect(&mut self, (): &()) -> Result<(), Error> {
        Ok(())
    }

    fn connected(&mut self, (): ()) -> Result<(), Error> {
        Err(Error::WOULD_BLOCK)
    }

    fn read(&mut self, (): (), _buffer: &mut [u8]) -> Result<usize, Error> {
        Err(Error::WOULD_BLOCK)
    }

    fn write(&mut self, (): (), bytes: &[u8]) -> Result<usize, Error> {
        self.written.push(bytes.to_vec());
        Err(Error::WOULD_BLOCK)
    }

    fn shutdown_write(&mut self, (): ()) -> Result<(), Error> {
        Err(Error::WOULD_BLOCK)
    }

    fn close(&mut self, (): (), _how: Close) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_wait_for_some_time_has_its_deadline_counted_from_now() {
    let mut bare = Bare { now: Instant::from_nanos(100), ..Bare::default() };
    let mut batch = [Event::EMPTY; 1];
    bare.wait_for(&mut Events::new(&mut batch), Duration::from_nanos(40)).unwrap();
    bare.wait_for(&mut Events::new(&mut batch), Duration::MAX).unwrap();
    assert_eq!(bare.deadlines, [Some(Instant::from_nanos(140)), Some(Instant::MAX)]);
}

#[test]
fn a_platform_without_work_of_its_own_has_no_deadline() {
    assert_eq!(Bare::default().next_deadline(Instant::ZERO), None);
}

#[test]
fn a_platform_without_buffers_names_no_room_and_shows_nothing() {
    const { assert!(!Bare::OWNS_BUFFERS) };
    assert_eq!(Bare::default().write_room(()), usize::MAX);
    assert_eq!(Bare::default().unacknowledged_since(()), None);
    assert_eq!(Bare::default().peek((), &mut [0; 1]), Err(ErrorKind::Unsupported.into()));
    Bare::default().consume((), 1, 1);
}

#[test]
fn a_platform_that_cannot_ask_for_a_peer_says_so() {
    assert_eq!(Bare::default().check(()), Err(ErrorKind::Unsupported.into()));
}

#[test]
fn several_buffers_are_written_from_the_first_that_is_not_empty() {
    let mut bare = Bare::default();
    assert_eq!(bare.write_vectored((), &[&[], b"ab", b"c"]), Err(Error::WOULD_BLOCK));
    assert_eq!(bare.write_vectored((), &[]), Err(Error::WOULD_BLOCK));
    assert_eq!(bare.written, [b"ab".to_vec(), Vec::new()]);
}

#[test]
fn a_waker_that_cannot_be_given_back_is_unsupported() {
    let mut bare = Bare::default();
    bare.waker(Token::new(0, 1)).unwrap();
    let released = bare.release_waker(Token::new(0, 1));
    assert_eq!(released, Err(ErrorKind::Unsupported.into()));
}
