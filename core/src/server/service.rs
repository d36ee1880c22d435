//! The service, which users write.

use core::time::Duration;

use super::counters::CloseReason;
use super::peer::{Peer, Peers};

/// The protocol of a server: bytes in, bytes out, and no socket in sight.
///
/// ```
/// use selkie_core::{Peer, Service};
///
/// /// Sends back what it receives.
/// struct Echo;
///
/// impl Service for Echo {
///     type Session = ();
///
///     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
///         peer.send_some(bytes)
///     }
/// }
/// ```
///
/// The same service runs on every platform, and on a simulated one. Each call gets the peer that it
/// is about, and that peer's session; everything that all peers share is in the service itself.
///
/// A callback that panics fails its own connection, if the panic is caught and the loop goes on:
/// the server aborts that connection in a later turn, calls [`closed`](Self::closed) unless that
/// was the callback, and serves all others as before.
pub trait Service {
    /// The values that the service keeps for each connection. Those of a type without bytes and
    /// without a destructor, such as `()`, may be made for each call.
    type Session: Default;

    /// True if the service calls [`Peer::connect`], or its server
    /// [`connect`](crate::Server::connect). Without it, what connecting needs is not part of the
    /// program.
    const CONNECTS: bool = false;

    /// True if the service's server may be [drained](crate::Server::drain), or the service calls
    /// [`Peer::close_when_finished`]. Without it, what draining needs is not part of the program: a
    /// call of the one does not compile, and the other is [`Peer::close`].
    const DRAINS: bool = true;

    /// True if the service passes its peer on by a pointer, as one does that runs tasks. Both ways
    /// of serving do the same, each with fewer steps for services of its kind.
    const LENDS_PEER: bool = false;

    /// The interval of [`tick`](Self::tick); `None` if it is never called. A clock that ticks takes
    /// one slot of the loop.
    const TICK: Option<Duration> = None;

    /// Returns the number of slots that the service has memory for; any number if it has none of
    /// its own. A loop with more is refused when the server begins to listen. A layer returns that
    /// of its inner service.
    fn slots_max(&self) -> usize {
        usize::MAX
    }

    /// Called at each [`TICK`](Self::TICK), for what concerns no one connection: to expire entries,
    /// to publish to subscribers, to read a configuration again.
    fn tick(&mut self, peers: &mut Peers<'_>) {
        let _ = peers;
    }

    /// Called when a connection is opened: one that was accepted, or one that the service has asked
    /// for by [`Peer::connect`].
    fn opened(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// Called when bytes are received. Returns how many of them, from the first one on, the service
    /// is done with.
    ///
    /// The rest stays in the input buffer and is offered again, in front of what is received next:
    /// when more was received, when the output buffer has drained, after
    /// [`timer_expired`](Self::timer_expired) and [`writable`](Self::writable), and after
    /// [`Peer::resume_reading`]. So a service for lines takes whole lines, and leaves the last
    /// piece.
    ///
    /// At most [`Peer::received_max`] bytes are kept. If that many are, and the service takes none
    /// of them for the [input timeout](crate::Config::input_timeout), the connection is closed as
    /// [`InputNotTaken`](CloseReason::InputNotTaken), unless the service has called
    /// [`Peer::pause_reading`].
    ///
    /// Bytes are offered whether there is [room](Peer::room) for an answer or not.
    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, bytes: &[u8])
    -> usize;

    /// Called when the output buffer has drained, or when the peer takes bytes and
    /// [`Peer::request_writable`] asked for it: go on with a reply that did not fit.
    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// Called when the peer has ended its stream; it still reads. `untaken` bytes that it sent
    /// before were offered and not taken. They are offered again, and once the last of them is
    /// taken, this is called again with 0.
    ///
    /// The default closes the connection, after pending output, if there are none.
    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, untaken: usize) {
        let _ = session;
        if untaken == 0 {
            peer.close();
        }
    }

    /// Called when the deadline of [`Peer::set_timer`] has passed.
    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = (peer, session);
    }

    /// Called when the server drains, after all that the peer had sent before was offered. A
    /// service that does not close the connection is served until the drain's deadline.
    ///
    /// The default closes when the reply in progress is
    /// [finished](crate::layers::Ending::Finished).
    fn draining(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session) {
        let _ = session;
        peer.close_when_finished();
    }

    /// Called when the connection is gone: nothing reaches this peer any more. Others can still be
    /// sent to.
    fn closed(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, reason: CloseReason) {
        let _ = (peer, session, reason);
    }
}

/// A service that takes messages from a [`Mailbox`](crate::mailbox::Mailbox).
pub trait Receives<M>: Service {
    /// Called with a message for an open connection, as if in a callback of that connection.
    ///
    /// If it panics, the message is lost and the connection fails, as in any callback. Those behind
    /// it stay in the mailbox for the next [`deliver`](crate::Server::deliver).
    fn message(&mut self, peer: &mut Peer<'_>, session: &mut Self::Session, message: M);
}
