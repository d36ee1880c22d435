//! A server of datagrams, beside a server of streams or by itself.

mod service;

pub use service::{DatagramOps, DatagramService, DatagramSocket, Message};

use crate::contract::{Close, Datagrams, Error, Event, Instant, Interest, Mode, Token, Transport};
use crate::event_loop::{Context, Handler};

/// Messages that one turn takes from a socket, so that other sources have their turn.
const MESSAGES_PER_TURN: usize = 16;

/// Figures of a [`DatagramServer`] since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DatagramCounters {
    /// Messages that were received.
    pub received: u64,
    /// Those of them that were longer than the buffer, and cut.
    pub truncated: u64,
    /// Those of them whose sender has no address.
    pub unnamed: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that were not sent, for lack of room or by a failure.
    pub unsent: u64,
    /// Failures that the platform reported when it was asked for a message.
    pub failures: u64,
}

/// Serves the messages of one socket with a [`DatagramService`], as a [`Handler`] of an
/// [`EventLoop`](crate::EventLoop). A handler with other sources passes on what it
/// [owns](Self::owns).
#[derive(Debug)]
pub struct DatagramServer<P: Datagrams, D, M> {
    service: D,
    buffer: M,
    socket: Option<(P::Source, Token)>,
    watched: Interest,
    counters: DatagramCounters,
}

impl<P: Datagrams, D, M> DatagramServer<P, D, M>
where
    D: DatagramService<P::Address>,
    M: AsMut<[u8]>,
{
    /// Makes a server that reads messages into `buffer`. A longer message is cut, and says so.
    #[must_use]
    pub const fn new(service: D, buffer: M) -> Self {
        let counters = DatagramCounters {
            received: 0,
            truncated: 0,
            unnamed: 0,
            sent: 0,
            unsent: 0,
            failures: 0,
        };
        Self { service, buffer, socket: None, watched: Interest::READABLE, counters }
    }

    /// Serves a socket from now on, in place of any other, and calls
    /// [`DatagramService::opened`]. Returns its token.
    ///
    /// # Errors
    ///
    /// As [`Context::register`]; the socket is still the caller's then.
    pub fn open(
        &mut self,
        context: &mut Context<'_, P>,
        source: P::Source,
    ) -> Result<Token, Error> {
        self.release(context)?;
        let token = context.register(source, Interest::READABLE, Mode::Level)?;
        self.socket = Some((source, token));
        self.watched = Interest::READABLE;
        self.call(context, D::opened);
        Ok(token)
    }

    /// Stops serving, and returns the socket, which stays open.
    ///
    /// # Errors
    ///
    /// As [`Context::deregister`]; the socket is no longer served all the same.
    pub fn release(&mut self, context: &mut Context<'_, P>) -> Result<Option<P::Source>, Error> {
        let Some((source, token)) = self.socket.take() else { return Ok(None) };
        context.deregister(source, token)?;
        Ok(Some(source))
    }

    /// Stops serving, and closes the socket.
    ///
    /// # Errors
    ///
    /// As [`Context::deregister`] and [`Transport::close`].
    pub fn close(&mut self, context: &mut Context<'_, P>) -> Result<(), Error>
    where
        P: Transport,
    {
        match self.release(context)? {
            Some(source) => context.platform.close(source, Close::Graceful),
            None => Ok(()),
        }
    }

    /// Returns whether a token is that of the socket.
    #[must_use]
    pub fn owns(&self, token: Token) -> bool {
        self.socket.is_some_and(|(_, own)| own == token)
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &DatagramCounters {
        &self.counters
    }

    /// Returns the service.
    #[must_use]
    pub const fn service(&self) -> &D {
        &self.service
    }

    /// Calls the service outside of an event: to send unasked messages, from another
    /// handler or a main. Nothing is called without a socket.
    pub fn with<R>(
        &mut self,
        context: &mut Context<'_, P>,
        call: impl FnOnce(&mut D, &mut DatagramSocket<'_, P::Address>) -> R,
    ) -> Option<R> {
        self.call(context, call)
    }

    /// Calls the service, and watches for room afterwards if it asked for that.
    fn call<R>(
        &mut self,
        context: &mut Context<'_, P>,
        call: impl FnOnce(&mut D, &mut DatagramSocket<'_, P::Address>) -> R,
    ) -> Option<R> {
        let (source, token) = self.socket?;
        let mut ops =
            Ops { context, source, token, counters: &mut self.counters, wants_room: false };
        let result = call(&mut self.service, &mut DatagramSocket::new(&mut ops));
        if ops.wants_room {
            self.watch(context, Interest::READABLE | Interest::WRITABLE);
        }
        Some(result)
    }

    fn watch(&mut self, context: &mut Context<'_, P>, interest: Interest) {
        let Some((source, token)) = self.socket else { return };
        // A failure leaves the interest as it is; the next change is tried again.
        if self.watched != interest && context.modify(source, token, interest, Mode::Level).is_ok()
        {
            self.watched = interest;
        }
    }

    /// Takes the messages that wait.
    fn receive(&mut self, context: &mut Context<'_, P>) {
        for _ in 0..MESSAGES_PER_TURN {
            let Some((source, token)) = self.socket else { return };
            let received = context.platform.receive_from(source, self.buffer.as_mut());
            let mut ops =
                Ops { context, source, token, counters: &mut self.counters, wants_room: false };
            match received {
                Ok(datagram) => {
                    ops.counters.received += 1;
                    ops.counters.truncated += u64::from(datagram.is_truncated);
                    ops.counters.unnamed += u64::from(datagram.sender.is_none());
                    let message = Message {
                        bytes: &self.buffer.as_mut()[..datagram.length],
                        is_truncated: datagram.is_truncated,
                        sender: datagram.sender,
                    };
                    self.service.received(&mut DatagramSocket::new(&mut ops), message);
                }
                Err(error) if error.is_would_block() => return,
                Err(error) => {
                    ops.counters.failures += 1;
                    self.service.failed(&mut DatagramSocket::new(&mut ops), error);
                }
            }
            if ops.wants_room {
                self.watch(context, Interest::READABLE | Interest::WRITABLE);
            }
        }
    }
}

impl<P: Datagrams, D, M> Handler<P> for DatagramServer<P, D, M>
where
    D: DatagramService<P::Address>,
    M: AsMut<[u8]>,
{
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        if !self.owns(event.token) {
            return;
        }
        if event.readiness.is_writable() && self.watched.contains(Interest::WRITABLE) {
            self.watch(context, Interest::READABLE);
            self.call(context, D::writable);
        }
        if event.readiness.is_readable() {
            self.receive(context);
        }
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        if self.owns(token) {
            self.call(context, D::timer_expired);
        }
    }
}

/// The operations of a socket in a loop.
struct Ops<'e, 'a, P: Datagrams> {
    context: &'e mut Context<'a, P>,
    source: P::Source,
    token: Token,
    counters: &'e mut DatagramCounters,
    wants_room: bool,
}

impl<P: Datagrams> DatagramOps<P::Address> for Ops<'_, '_, P> {
    fn send_to(&mut self, bytes: &[u8], address: &P::Address) -> Result<(), Error> {
        let sent = self.context.platform.send_to(self.source, bytes, address);
        match sent {
            Ok(()) => self.counters.sent += 1,
            Err(_) => self.counters.unsent += 1,
        }
        sent
    }

    fn request_writable(&mut self) {
        self.wants_room = true;
    }

    fn now(&mut self) -> Instant {
        self.context.now()
    }

    fn set_timer(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            // The token is live for as long as the socket is served.
            let _ = self.context.set_timer(self.token, deadline);
        } else {
            self.context.cancel_timer(self.token);
        }
    }
}
