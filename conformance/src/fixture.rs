//! The part that the author of a backend provides, so that the suite can make connections and drive
//! their far ends.

use core::time::Duration;

use selkie_core::platform::{Selector, Transport, Wait, Wake};
use selkie_core::{Error, ErrorKind, Instant};

/// The source type of a fixture's platform.
pub type SourceOf<F> = <<F as Fixture>::Platform as Selector>::Source;

/// The waker type of a fixture's platform.
pub type WakerOf<F> = <<F as Fixture>::Platform as Wake>::Waker;

/// The address type of a fixture's platform.
pub type AddressOf<F> = <<F as Fixture>::Platform as Transport>::Address;

/// The error of an ability that the platform or the fixture lacks.
const UNSUPPORTED: Error = Error::new(ErrorKind::Unsupported);

/// One platform under test, and the world around it: connections whose near end the platform
/// watches, and whose far end the fixture drives.
///
/// A fresh fixture is made for every case. It owns what it opens, and closes it when it is dropped.
/// Nothing blocks, except for [`settle`](Self::settle), and that only for a moment: what cannot be
/// done now fails with [`ErrorKind::WouldBlock`].
///
/// Methods with a body are abilities that not every platform has. Those that answer
/// [`ErrorKind::Unsupported`], as the default bodies do, make the cases that need them *not
/// applicable*, which is reported with the reason.
pub trait Fixture {
    /// The selector under test.
    type Platform: Selector;

    /// The far end of a connection.
    type Peer: Copy;

    /// Returns the selector under test.
    fn platform(&mut self) -> &mut Self::Platform;

    /// Returns the time for [`Selector::poll`]. On a platform that implements [`Wait`], the time of
    /// its own clock.
    fn now(&mut self) -> Instant;

    /// Lets the world go on, so that what was sent arrives: pumps both ends of a polled network,
    /// moves virtual time on, or yields to the system for about a millisecond.
    ///
    /// The suite calls this between two polls, as often as it takes for what it expects to happen,
    /// up to a bound of about a thousand. It also calls it a few times before it decides that
    /// something did *not* happen.
    fn settle(&mut self);

    /// Opens a connection that carries bytes both ways, with empty buffers: its near end, not yet
    /// registered, and its far end. The two belong together, also where connections that a case
    /// gave up are still on their way.
    ///
    /// # Errors
    ///
    /// Any; [`ErrorKind::Full`] and [`ErrorKind::OutOfDescriptors`] make a case that wants many
    /// connections not applicable.
    fn pair(&mut self) -> Result<(SourceOf<Self>, Self::Peer), Error>;

    /// Reads at the near end. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Transport::read`], with [`ErrorKind::WouldBlock`] while there is nothing.
    fn read(&mut self, source: SourceOf<Self>, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Writes at the near end, and returns the number of bytes that were taken.
    ///
    /// # Errors
    ///
    /// As [`Transport::write`], with [`ErrorKind::WouldBlock`] while there is no room.
    fn write(&mut self, source: SourceOf<Self>, bytes: &[u8]) -> Result<usize, Error>;

    /// Closes a near end that is not registered, or not any more.
    ///
    /// # Errors
    ///
    /// Any.
    fn close(&mut self, source: SourceOf<Self>) -> Result<(), Error>;

    /// Reads at the far end. 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] while there is nothing, [`ErrorKind::ConnectionReset`] after a
    /// reset.
    fn peer_read(&mut self, peer: Self::Peer, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Writes at the far end, and returns the number of bytes that were taken.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] while there is no room, and any other.
    fn peer_write(&mut self, peer: Self::Peer, bytes: &[u8]) -> Result<usize, Error>;

    /// Ends the stream from the far end to the near one; the other direction stays open.
    ///
    /// # Errors
    ///
    /// Any.
    fn peer_shutdown_write(&mut self, peer: Self::Peer) -> Result<(), Error>;

    /// Closes the far end.
    ///
    /// # Errors
    ///
    /// Any.
    fn peer_close(&mut self, peer: Self::Peer) -> Result<(), Error>;

    /// Resets the connection from the far end, as TCP does with a RST.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn peer_reset(&mut self, peer: Self::Peer) -> Result<(), Error> {
        let _ = peer;
        Err(UNSUPPORTED)
    }

    /// Sends one urgent byte from the far end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn peer_write_urgent(&mut self, peer: Self::Peer) -> Result<(), Error> {
        let _ = peer;
        Err(UNSUPPORTED)
    }

    /// Returns a near listener with a backlog of at least four connections.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn listener(&mut self) -> Result<SourceOf<Self>, Error> {
        Err(UNSUPPORTED)
    }

    /// Connects from the far side to a near listener. The connection may still be under way when
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn dial(&mut self, listener: SourceOf<Self>) -> Result<Self::Peer, Error> {
        let _ = listener;
        Err(UNSUPPORTED)
    }

    /// Returns a near end that can only write, such as the writing end of a pipe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn one_way(&mut self) -> Result<(SourceOf<Self>, Self::Peer), Error> {
        Err(UNSUPPORTED)
    }

    /// Returns a stream socket that was never connected.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn unconnected(&mut self) -> Result<SourceOf<Self>, Error> {
        Err(UNSUPPORTED)
    }

    /// Returns a source that is a regular file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn regular_file(&mut self) -> Result<SourceOf<Self>, Error> {
        Err(UNSUPPORTED)
    }

    /// Breaks a registered near end without the platform's knowledge, as by closing the descriptor
    /// under it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn break_source(&mut self, source: SourceOf<Self>) -> Result<(), Error> {
        let _ = source;
        Err(UNSUPPORTED)
    }

    /// Keeps a second handle of what is behind a near end open, as `dup` does, until the fixture is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn duplicate(&mut self, source: SourceOf<Self>) -> Result<(), Error> {
        let _ = source;
        Err(UNSUPPORTED)
    }
}

/// A fixture of a platform that can sleep.
pub trait WaitFixture: Fixture<Platform: Wait> {
    /// Writes at the far end `delay` from now, while the platform waits: from another thread, or at
    /// a point in virtual time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn peer_write_later(
        &mut self,
        peer: Self::Peer,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        let _ = (peer, bytes, delay);
        Err(UNSUPPORTED)
    }

    /// Interrupts the calling thread's waits, every `period`, for the next
    /// `span` of time, as signals with a handler do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        let _ = (period, span);
        Err(UNSUPPORTED)
    }

    /// Returns the processor time of the calling thread, counted from any fixed point. It
    /// distinguishes a wait that sleeps from one that spins.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn busy_time(&mut self) -> Result<Duration, Error> {
        Err(UNSUPPORTED)
    }
}

/// A fixture of a platform that can be woken.
pub trait WakeFixture: Fixture<Platform: Wake> {
    /// Wakes, from the calling thread.
    ///
    /// # Errors
    ///
    /// Those of the waker.
    fn wake(&mut self, waker: &WakerOf<Self>) -> Result<(), Error>;

    /// Wakes `delay` from now, while the platform waits: from another thread, an interrupt, or at a
    /// point in virtual time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn wake_later(&mut self, waker: &WakerOf<Self>, delay: Duration) -> Result<(), Error> {
        let _ = (waker, delay);
        Err(UNSUPPORTED)
    }
}

/// A fixture of a platform that moves bytes. The near ends that it opens belong to the platform,
/// and [`listener`](Fixture::listener) and [`dial`](Fixture::dial) are there where the platform has
/// listeners.
pub trait TransportFixture: Fixture<Platform: Transport> {
    /// Returns an address at which the far side listens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where the platform does not connect.
    fn destination(&mut self) -> Result<AddressOf<Self>, Error> {
        Err(UNSUPPORTED)
    }

    /// Accepts at the far side a connection that the platform made to
    /// [`destination`](Self::destination).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] while there is none.
    fn peer_accept(&mut self) -> Result<Self::Peer, Error> {
        Err(UNSUPPORTED)
    }

    /// Returns an address of a reachable host without a listener.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is no such thing.
    fn refusing(&mut self) -> Result<AddressOf<Self>, Error> {
        Err(UNSUPPORTED)
    }
}
