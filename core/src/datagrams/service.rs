//! The service for datagrams, which users write.

use core::fmt;
use core::time::Duration;

use crate::contract::{Error, Instant};

/// The protocol of a [`DatagramServer`](super::DatagramServer): messages in, messages out. `A` is
/// the platform's address, such as [`SocketAddr`](core::net::SocketAddr).
///
/// ```
/// use core::net::SocketAddr;
/// use selkie_core::datagrams::{DatagramService, DatagramSocket, Message};
///
/// /// Sends each message back to its sender.
/// struct Echo;
///
/// impl DatagramService<SocketAddr> for Echo {
///     fn received(
///         &mut self,
///         socket: &mut DatagramSocket<'_, SocketAddr>,
///         message: Message<'_, SocketAddr>,
///     ) {
///         // A sender without an address cannot be answered, and half a message is not echoed.
///         if let (Some(sender), false) = (message.sender, message.is_truncated) {
///             // Without room the answer is lost, as datagrams may be.
///             let _ = socket.send_to(message.bytes, &sender);
///         }
///     }
/// }
/// ```
pub trait DatagramService<A> {
    /// Called when a socket is [opened](super::DatagramServer::open).
    fn opened(&mut self, socket: &mut DatagramSocket<'_, A>) {
        let _ = socket;
    }

    /// Called with each message.
    fn received(&mut self, socket: &mut DatagramSocket<'_, A>, message: Message<'_, A>);

    /// Called when there is room again, after [`DatagramSocket::request_writable`].
    fn writable(&mut self, socket: &mut DatagramSocket<'_, A>) {
        let _ = socket;
    }

    /// Called when the deadline of [`DatagramSocket::set_timer`] has passed.
    fn timer_expired(&mut self, socket: &mut DatagramSocket<'_, A>) {
        let _ = socket;
    }

    /// Called when the platform reports a failure of the socket, such as
    /// [`ConnectionRefused`](crate::ErrorKind::ConnectionRefused) for an earlier message that found
    /// no receiver. The socket is served on.
    fn failed(&mut self, socket: &mut DatagramSocket<'_, A>, error: Error) {
        let _ = (socket, error);
    }
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'m, A> {
    /// The bytes, as far as they fit into the buffer.
    pub bytes: &'m [u8],
    /// True if the message was longer than the buffer, and its rest is lost.
    pub is_truncated: bool,
    /// Address of the sender; `None` for a sender without one, such as an unnamed Unix socket.
    pub sender: Option<A>,
}

/// The socket of a [`DatagramService`], as its callbacks see it.
pub struct DatagramSocket<'s, A> {
    ops: &'s mut dyn DatagramOps<A>,
}

impl<'s, A> DatagramSocket<'s, A> {
    /// Makes a socket of its operations: for tests of a service, and for layers around one.
    pub fn new(ops: &'s mut dyn DatagramOps<A>) -> Self {
        Self { ops }
    }

    /// Sends `bytes` as one message, all or nothing.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](crate::ErrorKind::WouldBlock) if there is no room now;
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the message is too long for the
    /// platform; and other failures of the platform.
    pub fn send_to(&mut self, bytes: &[u8], address: &A) -> Result<(), Error> {
        self.ops.send_to(bytes, address)
    }

    /// Asks for a call of [`writable`](DatagramService::writable) once there is room.
    pub fn request_writable(&mut self) {
        self.ops.request_writable();
    }

    /// Returns the time.
    pub fn now(&mut self) -> Instant {
        self.ops.now()
    }

    /// Sets the one deadline of the socket, in place of any that it had: after `delay`
    /// [`timer_expired`](DatagramService::timer_expired) is called.
    pub fn set_timer(&mut self, delay: Duration) {
        let deadline = self.ops.now() + delay;
        self.ops.set_timer(Some(deadline));
    }

    /// Sets the deadline to a point in time.
    pub fn set_timer_at(&mut self, deadline: Instant) {
        self.ops.set_timer(Some(deadline));
    }

    /// Forgets the deadline.
    pub fn cancel_timer(&mut self) {
        self.ops.set_timer(None);
    }
}

impl<A> fmt::Debug for DatagramSocket<'_, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DatagramSocket").finish_non_exhaustive()
    }
}

/// The operations behind a [`DatagramSocket`].
///
/// ```
/// use selkie_core::datagrams::{DatagramOps, DatagramSocket};
/// use selkie_core::{Error, Instant};
///
/// /// Records what a service sends.
/// #[derive(Default)]
/// struct Recorder(Vec<(Vec<u8>, u16)>);
///
/// impl DatagramOps<u16> for Recorder {
///     fn send_to(&mut self, bytes: &[u8], address: &u16) -> Result<(), Error> {
///         self.0.push((bytes.to_vec(), *address));
///         Ok(())
///     }
///     fn request_writable(&mut self) {}
///     fn now(&mut self) -> Instant { Instant::ZERO }
///     fn set_timer(&mut self, _: Option<Instant>) {}
/// }
///
/// let mut recorder = Recorder::default();
/// DatagramSocket::new(&mut recorder).send_to(b"hello", &7)?;
/// assert_eq!(recorder.0, [(b"hello".to_vec(), 7)]);
/// # Ok::<(), Error>(())
/// ```
pub trait DatagramOps<A> {
    /// Sends a message; see [`DatagramSocket::send_to`].
    ///
    /// # Errors
    ///
    /// As [`DatagramSocket::send_to`].
    fn send_to(&mut self, bytes: &[u8], address: &A) -> Result<(), Error>;
    /// Asks for a call once there is room.
    fn request_writable(&mut self);
    /// Returns the time.
    fn now(&mut self) -> Instant;
    /// Sets or forgets the deadline.
    fn set_timer(&mut self, deadline: Option<Instant>);
}
