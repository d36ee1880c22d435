//! A service whose every call is a closure of the test, and is written down.

use selkie_core::{CloseReason, Peer, Service, Token};

/// One call of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Opened(Token),
    Received(Token, Vec<u8>),
    Writable(Token),
    /// The end of the stream, and how many bytes were left then.
    ReadClosed(Token, usize),
    Draining(Token),
    TimerExpired(Token),
    Closed(Token, CloseReason),
}

type Act = Box<dyn FnMut(&mut Peer<'_>)>;
type Take = Box<dyn FnMut(&mut Peer<'_>, &[u8]) -> usize>;

/// Echoes, and closes when the peer ends, unless the test puts something else in place.
pub(crate) struct Scripted {
    pub(crate) calls: Vec<Call>,
    pub(crate) on_opened: Act,
    pub(crate) on_received: Take,
    pub(crate) on_writable: Act,
    /// Without one, the default of `Service`.
    pub(crate) on_read_closed: Option<Act>,
    pub(crate) on_draining: Option<Act>,
    pub(crate) on_timer_expired: Act,
    pub(crate) on_closed: Act,
}

impl Scripted {
    pub(crate) fn echo() -> Self {
        Self {
            calls: Vec::new(),
            on_opened: Box::new(|_| ()),
            on_received: Box::new(echo),
            on_writable: Box::new(|_| ()),
            on_read_closed: None,
            on_draining: None,
            on_timer_expired: Box::new(|_| ()),
            on_closed: Box::new(|_| ()),
        }
    }

    /// Echoes whole lines and leaves the last piece.
    pub(crate) fn lines() -> Self {
        Self { on_received: Box::new(lines), ..Self::echo() }
    }

    /// Takes everything and answers nothing.
    pub(crate) fn sink() -> Self {
        Self { on_received: Box::new(|_, bytes| bytes.len()), ..Self::echo() }
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Call) -> bool) -> usize {
        self.calls.iter().filter(|call| wanted(call)).count()
    }

    /// Returns the reason for which a connection was closed, once it was.
    pub(crate) fn reason(&self, token: Token) -> Option<CloseReason> {
        let mut reasons = self.calls.iter().filter_map(|call| match call {
            Call::Closed(closed, reason) if *closed == token => Some(*reason),
            _ => None,
        });
        let reason = reasons.next();
        assert_eq!(reasons.next(), None, "a connection is closed once");
        reason
    }
}

/// Closes the peer, as a whole call of the service.
pub(crate) fn close(peer: &mut Peer<'_>) {
    peer.close();
}

/// Ends the stream to the peer, as a whole call of the service.
pub(crate) fn end(peer: &mut Peer<'_>) {
    peer.shutdown_write();
}

/// Aborts the peer, as a whole call of the service.
pub(crate) fn abort(peer: &mut Peer<'_>) {
    peer.abort();
}

/// Sends back what was received, as far as there is room.
pub(crate) fn echo(peer: &mut Peer<'_>, bytes: &[u8]) -> usize {
    peer.send_some(bytes)
}

/// Sends back whole lines.
pub(crate) fn lines(peer: &mut Peer<'_>, bytes: &[u8]) -> usize {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |position| position + 1);
    peer.send(&bytes[..whole]).map_or(0, |()| whole)
}

/// A service that has only a `received`.
struct Default;

impl Service for Default {
    type Session = ();

    fn received(&mut self, _peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

impl Service for Scripted {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.calls.push(Call::Opened(peer.token()));
        (self.on_opened)(peer);
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        self.calls.push(Call::Received(peer.token(), bytes.to_vec()));
        (self.on_received)(peer, bytes)
    }

    fn writable(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.calls.push(Call::Writable(peer.token()));
        (self.on_writable)(peer);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        self.calls.push(Call::ReadClosed(peer.token(), untaken));
        match &mut self.on_read_closed {
            Some(act) => act(peer),
            None => Default.read_closed(peer, &mut (), untaken),
        }
    }

    fn draining(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.calls.push(Call::Draining(peer.token()));
        match &mut self.on_draining {
            Some(act) => act(peer),
            None => Default.draining(peer, &mut ()),
        }
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.calls.push(Call::TimerExpired(peer.token()));
        (self.on_timer_expired)(peer);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
        self.calls.push(Call::Closed(peer.token(), reason));
        (self.on_closed)(peer);
    }
}
