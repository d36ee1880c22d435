//! The contracts for moving bytes: [`Transport`] for streams, [`Datagrams`] for messages.

use core::net::SocketAddr;

use crate::contract::{Error, Instant, Selector};

/// The two ways to close a source.
///
/// Exhaustive on purpose: a platform must decide on each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Close {
    /// Sends what the platform still has to send, then the end of the stream.
    Graceful,
    /// Drops what the platform still has to send, and resets the connection where
    /// [`Capabilities::ABORT`](crate::platform::Capabilities::ABORT) says so.
    Abort,
}

/// A selector whose sources are streams and listeners that it owns. No method ever blocks.
///
/// I/O goes through the platform, with a `Copy` source as the handle, because on smoltcp and on
/// component-model streams the selector and the streams share state. The platform owns what its
/// sources stand for and checks them: a handle that was closed gives
/// [`Stale`](crate::ErrorKind::Stale), and never reaches a stream that was opened later.
///
/// [`WouldBlock`](crate::ErrorKind::WouldBlock) means: wait for readiness. It is not a failure, and
/// it can follow readiness, which may be reported too often.
pub trait Transport: Selector {
    /// The peer that [`connect`](Self::connect) connects to.
    type Address;

    /// True if the platform keeps bytes in buffers of its own that make second ones a waste, as
    /// smoltcp's sockets do. If so, the server keeps neither an output buffer nor an input buffer:
    /// [`write_room`](Self::write_room) bytes are always taken whole, and what a service leaves
    /// of the bytes that it was shown by [`peek`](Self::peek) stays where it
    /// is, as [`consume`](Self::consume) describes.
    const OWNS_BUFFERS: bool = false;

    /// True if a source is reported readable until a [`read`](Self::read) has found nothing, even
    /// after one that took all there was. If so, the server reads on after such a read, a few
    /// times at most: that costs less than a wait that ends at once.
    const READABLE_UNTIL_EMPTY: bool = false;

    /// The platform reports a source whose [`write_room`](Self::write_room) was too small as
    /// writable when it has more, and not before. Elsewhere the server tries again after a while.
    const REPORTS_ROOM: bool = false;

    /// Takes one waiting connection from a listener.
    ///
    /// # Errors
    ///
    /// [`ConnectionAborted`](crate::ErrorKind::ConnectionAborted) for a connection that was gone
    /// before it was taken: try again. [`OutOfDescriptors`](crate::ErrorKind::OutOfDescriptors)
    /// and [`OutOfMemory`](crate::ErrorKind::OutOfMemory): the connection keeps waiting, the
    /// listener stays ready; try again when something was freed.
    fn accept(&mut self, listener: Self::Source) -> Result<Self::Source, Error>;

    /// Converts an Internet address to an address of this platform, for a service that connects;
    /// `None` where the platform cannot [connect](Self::connect) to it.
    #[must_use]
    fn address(address: SocketAddr) -> Option<Self::Address> {
        let _ = address;
        None
    }

    /// Returns the address of the peer of a connection; `None` if it has no Internet address, or
    /// if the platform does not know it, or no longer.
    ///
    /// Right after [`accept`](Self::accept) has returned the source this costs no system call
    /// where `accept` gives the address.
    fn remote_address(&mut self, source: Self::Source) -> Option<SocketAddr> {
        let _ = source;
        None
    }

    /// Starts a connection, and returns its source at once. Once it is reported writable,
    /// [`connected`](Self::connected) returns the result. Closing the source before cancels the
    /// attempt.
    ///
    /// # Errors
    ///
    /// Failures that are known at once, such as [`Full`](crate::ErrorKind::Full) or
    /// [`Unreachable`](crate::ErrorKind::Unreachable).
    fn connect(&mut self, address: &Self::Address) -> Result<Self::Source, Error>;

    /// Returns the result of a connection attempt: `WouldBlock` while it is pending.
    ///
    /// # Errors
    ///
    /// Why it failed, such as [`ConnectionRefused`](crate::ErrorKind::ConnectionRefused). The
    /// source must still be closed.
    fn connected(&mut self, source: Self::Source) -> Result<(), Error>;

    /// Reads what is there into `buffer`, and returns the number of bytes. 0 is the end of the
    /// stream, unless the buffer is empty.
    ///
    /// # Errors
    ///
    /// Why the stream ended without an end, such as
    /// [`ConnectionReset`](crate::ErrorKind::ConnectionReset).
    fn read(&mut self, source: Self::Source, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Copies what is there into `buffer`, all of it as far as there is room, and takes nothing
    /// out. Where nothing is there but what was [left](Self::consume), that is `WouldBlock`, or
    /// 0 if the stream has ended. Only where [`OWNS_BUFFERS`](Self::OWNS_BUFFERS) says so.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); [`Unsupported`](crate::ErrorKind::Unsupported) where the platform
    /// owns no buffers.
    #[inline]
    fn peek(&mut self, source: Self::Source, buffer: &mut [u8]) -> Result<usize, Error> {
        let _ = (source, buffer);
        Err(crate::contract::ErrorKind::Unsupported.into())
    }

    /// Takes out the first `count` of the bytes that [`peek`](Self::peek) showed, and leaves `left`
    /// of them until there are more: only then, or at the end of the stream, is the source
    /// readable again, and all are shown. What is left counts as read when the source is
    /// closed. A closed handle has no effect.
    #[inline]
    fn consume(&mut self, source: Self::Source, count: usize, left: usize) {
        let _ = (source, count, left);
    }

    /// Hands over as many of `bytes` as the platform takes, from the first one on, and returns
    /// their number: at least 1, unless `bytes` is empty.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](crate::ErrorKind::BrokenPipe),
    /// [`ConnectionReset`](crate::ErrorKind::ConnectionReset) and the like.
    fn write(&mut self, source: Self::Source, bytes: &[u8]) -> Result<usize, Error>;

    /// Writes several buffers as one: hands over as many of the bytes of `parts`, in order, as
    /// the platform takes, and returns their number: at least 1, unless all parts are empty.
    ///
    /// The default writes the first part that is not empty.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[inline]
    fn write_vectored(&mut self, source: Self::Source, parts: &[&[u8]]) -> Result<usize, Error> {
        let first = parts.iter().copied().find(|part| !part.is_empty()).unwrap_or_default();
        self.write(source, first)
    }

    /// Asks the platform if the peer of a connection is gone, without reading or writing. `Ok`
    /// means that the connection is established as far as the platform knows.
    ///
    /// For connections whose input is paused: a platform without
    /// [`Interest::HANGUP`](crate::Interest::HANGUP) reports nothing for them. A connection that
    /// stands is never disturbed. A failure may be reported by this call alone: the next read or
    /// write need not repeat it.
    ///
    /// # Errors
    ///
    /// Why the connection ended, such as
    /// [`ConnectionReset`](crate::ErrorKind::ConnectionReset);
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where
    /// [`Capabilities::CHECK`](crate::platform::Capabilities::CHECK) is missing.
    #[inline]
    fn check(&mut self, source: Self::Source) -> Result<(), Error> {
        let _ = source;
        Err(crate::contract::ErrorKind::Unsupported.into())
    }

    /// Returns the number of bytes that [`write`](Self::write) takes right now. Only where
    /// [`OWNS_BUFFERS`](Self::OWNS_BUFFERS) says so; elsewhere it is known only by the write.
    /// Not 0 for a source that is broken or whose stream was ended, so that the write is made and
    /// returns the error.
    ///
    /// Where [`REPORTS_ROOM`](Self::REPORTS_ROOM) says so, and unless that was all the room there
    /// can be, the source is writable again only once it has more room than this, or after a
    /// write: a writer that needs more is not called in vain.
    #[inline]
    fn write_room(&mut self, source: Self::Source) -> usize {
        let _ = source;
        usize::MAX
    }

    /// Returns since when bytes that were written wait in the platform's own buffer without the
    /// peer having acknowledged one; `None` if there are none, or the platform cannot tell. Only
    /// where [`OWNS_BUFFERS`](Self::OWNS_BUFFERS) says so: there a stalled peer is recognised by
    /// this.
    #[inline]
    fn unacknowledged_since(&mut self, source: Self::Source) -> Option<Instant> {
        let _ = source;
        None
    }

    /// Ends the stream to the peer after what was written. Reading goes on.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); `WouldBlock` where the end needs room that is not there yet: call
    /// again when writable.
    fn shutdown_write(&mut self, source: Self::Source) -> Result<(), Error>;

    /// Closes a source of any kind: stream, listener, attempt. It is no longer registered
    /// (deregister first) and the handle is stale from now on, also after an error.
    ///
    /// # Errors
    ///
    /// A failure of the platform while closing; the source is closed all the same.
    fn close(&mut self, source: Self::Source, how: Close) -> Result<(), Error>;
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Datagram<A> {
    /// Number of bytes in the buffer.
    pub length: usize,
    /// True if the message was longer than the buffer, and its rest is lost.
    pub is_truncated: bool,
    /// Address of the sender; `None` for a sender without one, such as an unnamed Unix socket.
    pub sender: Option<A>,
}

/// A selector some of whose sources send and receive whole messages. No method ever blocks.
pub trait Datagrams: Selector {
    /// The sender or the recipient of a message.
    type Address;

    /// Takes one message into `buffer`, as far as it fits. The rest of a longer message is lost,
    /// and [`is_truncated`](Datagram::is_truncated) says so.
    ///
    /// # Errors
    ///
    /// What the platform says of the source, such as
    /// [`ConnectionRefused`](crate::ErrorKind::ConnectionRefused) for an earlier message that
    /// found no receiver.
    fn receive_from(
        &mut self,
        source: Self::Source,
        buffer: &mut [u8],
    ) -> Result<Datagram<Self::Address>, Error>;

    /// Sends `bytes` as one message, all or nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the message is too long for the
    /// platform, and what it says otherwise.
    fn send_to(
        &mut self,
        source: Self::Source,
        bytes: &[u8],
        address: &Self::Address,
    ) -> Result<(), Error>;
}
