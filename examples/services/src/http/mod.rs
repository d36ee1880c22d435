//! HTTP/1.1 (RFC 9112): keep-alive, pipelining, lengths and chunks, within stated limits.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | the service: takes requests, streams replies |
//! | `request.rs` | reads a head |
//! | `body.rs` | reads a body |
//! | `metrics.rs` | writes the server's counters |
//! | `reply.rs`, `date.rs` | write a head |

mod body;
mod date;
mod metrics;
mod reply;
mod request;

use core::time::Duration;

use selkie_core::{Counters, Peer, SendError, Service};

use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;
use body::{Body, Piece};
use date::DateLine;
use reply::{HEAD_MAX, Length, Status, add_head};
use request::{Framing, Head, Route};

/// The answer to `GET /`.
const INDEX: &[u8] = b"Hello from Selkie.\n";
/// The answer to `GET /ready`.
const READY: &[u8] = b"ready\n";
/// Time for a request to come, from its first byte on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes around a piece of a chunked reply: its size in up to 16 digits, and two line ends.
const CHUNK_OVERHEAD: usize = 20;
/// Sends of one callback while a long reply is streamed, so that other connections have their turn.
const SENDS_PER_TURN: usize = 4;
/// The bytes that are sent at once; fewer on machines with little memory.
const PIECE: usize = if cfg!(target_pointer_width = "64") { 128 * 1024 } else { 16 * 1024 };
/// The bytes that the answer to `GET /bytes/N` repeats.
static PATTERN: [u8; PIECE] = pattern();

/// Serves `GET /`, `GET /bytes/N` (N bytes), `POST /echo`, and `HEAD`. `GET /ready` says if the
/// server takes more work, and `GET /metrics` shows its counters as a Prometheus server reads them.
///
/// Other requests are answered with 404 or 405. Bytes that are no request are answered with 400,
/// 413, 431, 501 or 505, and a request that is not complete in time with 408; then the connection
/// is closed.
#[derive(Debug)]
pub struct Http {
    date: DateLine,
    output: OutputBuffer,
    /// The server ends: `GET /ready` says so.
    is_draining: bool,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpSession {
    state: State,
    /// The connection is closed after the reply.
    last: bool,
    /// A request has begun and is not complete, so a timer runs.
    timed: bool,
    /// The position in a line of a long reply.
    at: usize,
}

/// The next step on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The head of a request.
    #[default]
    Head,
    /// The body of a request, of which `taken` bytes were read.
    Body { body: Body, taken: u64, sink: Sink },
    /// So many bytes of a reply.
    Bytes(u64),
}

/// The use of the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    /// Nowhere.
    Discard,
    /// Back to the client, whose reply has a length.
    Echo,
    /// Back to the client, in chunks.
    EchoChunks,
}

/// The outcome of one step through the bytes that were received.
enum Step {
    /// So many bytes are done with.
    Taken(usize),
    /// More has to come, or output has to drain.
    Wait,
    /// The connection is closing.
    Close,
}

impl Http {
    /// Makes the service. `clock` returns the seconds since 1970-01-01 00:00 UTC for the `Date` of
    /// replies, or `None` where there is no time of day; then replies have no `Date`.
    #[must_use]
    pub const fn new(clock: fn() -> Option<u64>) -> Self {
        Self { date: DateLine::new(clock), output: OutputBuffer::new(), is_draining: false }
    }

    /// Takes what can be taken. Returns its length.
    fn take_all(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut HttpSession,
        bytes: &[u8],
    ) -> Result<usize, SendError> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let step = match session.state {
                State::Bytes(_) => Ok(Step::Wait),
                State::Head if rest.is_empty() => Ok(Step::Wait),
                State::Head => self.take_head(peer, session, rest)?,
                State::Body { body, taken, sink } => {
                    self.take_body(peer, session, (body, taken, sink), rest)?
                }
            };
            match step {
                Ok(Step::Taken(len)) => taken += len,
                Ok(Step::Wait) => break,
                Ok(Step::Close) => {
                    self.output.flush(peer)?;
                    peer.close();
                    return Ok(bytes.len());
                }
                Err(status) => {
                    self.refuse(peer, status)?;
                    return Ok(bytes.len());
                }
            }
        }
        self.output.flush(peer)?;
        Self::stream(peer, session);
        Self::watch_time(peer, session, bytes.len() - taken);
        Ok(taken)
    }

    /// Takes the head of a request, and begins the reply.
    fn take_head(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut HttpSession,
        bytes: &[u8],
    ) -> Result<Result<Step, Status>, SendError> {
        if self.output.room() < HEAD_MAX + INDEX.len() {
            return Ok(Ok(wait_for_room(peer)));
        }
        let (head, len) = match request::parse(bytes) {
            Ok(Some(found)) => found,
            Ok(None) if bytes.len() < peer.received_max() => return Ok(Ok(Step::Wait)),
            Ok(None) => return Ok(Err(Status::HeadTooLarge)),
            Err(status) => return Ok(Err(status)),
        };
        let rest = if head.route == Route::Metrics { metrics::len(peer.counters()) } else { 0 };
        if self.output.room() < HEAD_MAX + rest {
            return Ok(Ok(wait_for_room(peer)));
        }
        session.last = !head.keep_alive;
        let has_body = head.framing != Framing::Length(0);
        if has_body && head.expects_continue && bytes.len() == len {
            self.output.add(peer, b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        self.begin_reply(peer, &head, session)?;
        if session.last && session.state == State::Head {
            return Ok(Ok(Step::Close));
        }
        Ok(Ok(Step::Taken(len)))
    }

    /// Adds the head of the reply, and where that is short its body.
    fn begin_reply(
        &mut self,
        peer: &mut Peer<'_>,
        head: &Head,
        session: &mut HttpSession,
    ) -> Result<(), SendError> {
        // Once, as what is sent of the reply changes them.
        let counters =
            if head.route == Route::Metrics { *peer.counters() } else { Counters::default() };
        let (status, length) = match head.route {
            Route::Index => (Status::Ok, Length::Bytes(INDEX.len() as u64)),
            Route::Bytes(count) => (Status::Ok, Length::Bytes(count)),
            Route::Metrics => (Status::Ok, Length::Bytes(metrics::len(&counters) as u64)),
            Route::Ready if !self.is_draining => (Status::Ok, Length::Bytes(READY.len() as u64)),
            Route::Ready => (Status::Draining, Length::Bytes(Status::Draining.text().len() as u64)),
            Route::Refused(status) => (status, Length::Bytes(status.text().len() as u64)),
            Route::Echo => match head.framing {
                Framing::Length(length) => (Status::Ok, Length::Bytes(length)),
                Framing::Chunked => (Status::Ok, Length::Chunked),
            },
        };
        let keep_alive = head.keep_alive;
        add_head(&mut self.output, peer, &mut self.date, status, length, keep_alive)?;
        let sink = match (head.route, length) {
            (Route::Echo, Length::Chunked) => Sink::EchoChunks,
            (Route::Echo, Length::Bytes(_)) => Sink::Echo,
            _ => Sink::Discard,
        };
        session.state = match head.route {
            Route::Bytes(count) if count > 0 && !head.omits_body => State::Bytes(count),
            _ if head.framing == Framing::Length(0) => State::Head,
            _ => State::Body { body: Body::new(head.framing), taken: 0, sink },
        };
        match head.route {
            Route::Index if !head.omits_body => self.output.add(peer, INDEX),
            Route::Refused(status) if !head.omits_body => self.output.add(peer, status.text()),
            Route::Metrics if !head.omits_body => metrics::add(&mut self.output, peer, &counters),
            Route::Ready if !head.omits_body => {
                let text = if self.is_draining { Status::Draining.text() } else { READY };
                self.output.add(peer, text)
            }
            _ => Ok(()),
        }
    }

    /// Takes a piece of the body of a request.
    fn take_body(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut HttpSession,
        (mut body, mut read, sink): (Body, u64, Sink),
        bytes: &[u8],
    ) -> Result<Result<Step, Status>, SendError> {
        let piece = match body.next(bytes, read) {
            Ok(piece) => piece,
            // The head of the reply is sent: nothing can be said any more.
            Err(_) if sink != Sink::Discard => {
                self.output.flush(peer)?;
                peer.abort();
                return Ok(Ok(Step::Wait));
            }
            Err(status) => return Ok(Err(status)),
        };
        let len = match piece {
            Piece::Incomplete => return Ok(Ok(Step::Wait)),
            Piece::Framing(len) => len,
            Piece::Bytes(bytes) => {
                let used = self.echo(peer, sink, bytes)?;
                if used == 0 {
                    return Ok(Ok(wait_for_room(peer)));
                }
                body.advance(used as u64);
                read += used as u64;
                used
            }
            Piece::End(len) => {
                if sink == Sink::EchoChunks {
                    if self.output.room() < CHUNK_OVERHEAD {
                        return Ok(Ok(wait_for_room(peer)));
                    }
                    self.output.add(peer, b"0\r\n\r\n")?;
                }
                session.state = State::Head;
                return Ok(Ok(if session.last { Step::Close } else { Step::Taken(len) }));
            }
        };
        session.state = State::Body { body, taken: read, sink };
        Ok(Ok(Step::Taken(len)))
    }

    /// Sends a piece of a body back, as far as there is room. Returns the length of what is done
    /// with.
    fn echo(&mut self, peer: &mut Peer<'_>, sink: Sink, bytes: &[u8]) -> Result<usize, SendError> {
        let overhead = match sink {
            Sink::Discard => return Ok(bytes.len()),
            Sink::Echo => 0,
            Sink::EchoChunks => CHUNK_OVERHEAD,
        };
        let used = bytes.len().min(self.output.room().saturating_sub(overhead));
        if used == 0 {
            return Ok(0);
        }
        if sink == Sink::EchoChunks {
            self.output.add(peer, Decimal::hexadecimal(used as u64).digits())?;
            self.output.add(peer, b"\r\n")?;
        }
        self.output.add(peer, &bytes[..used])?;
        if sink == Sink::EchoChunks {
            self.output.add(peer, b"\r\n")?;
        }
        Ok(used)
    }

    /// Sends what a long reply still has, as far as there is room and for a bounded time.
    fn stream(peer: &mut Peer<'_>, session: &mut HttpSession) {
        let State::Bytes(mut left) = session.state else { return };
        for _ in 0..SENDS_PER_TURN {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(PATTERN.len() - session.at);
            let sent = peer.send_some(&PATTERN[session.at..session.at + len]);
            // Each piece goes on within the line in which the one before it ends.
            session.at = (session.at + sent) % LINE;
            left -= sent as u64;
            if sent < len || left == 0 {
                break;
            }
        }
        if left > 0 {
            session.state = State::Bytes(left);
            peer.request_writable();
        } else {
            session.state = State::Head;
            session.at = 0;
            if session.last {
                peer.close();
            } else {
                // Requests may wait that were not taken while the reply was sent.
                peer.resume_reading();
            }
        }
    }

    /// Answers with an error and closes: nothing says where the next request begins.
    fn refuse(&mut self, peer: &mut Peer<'_>, status: Status) -> Result<(), SendError> {
        let text = status.text();
        let length = Length::Bytes(text.len() as u64);
        add_head(&mut self.output, peer, &mut self.date, status, length, false)?;
        self.output.add(peer, text)?;
        self.output.flush(peer)?;
        peer.close();
        Ok(())
    }

    /// Starts the timer when a request begins and is not complete, and stops it when it is.
    fn watch_time(peer: &mut Peer<'_>, session: &mut HttpSession, untaken: usize) {
        let waits = match session.state {
            State::Head => untaken > 0,
            State::Body { .. } => true,
            State::Bytes(_) => false,
        };
        if waits != session.timed {
            session.timed = waits;
            if waits {
                peer.set_timer(REQUEST_TIMEOUT);
            } else {
                peer.cancel_timer();
            }
        }
    }
}

impl Service for Http {
    type Session = HttpSession;

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut HttpSession, bytes: &[u8]) -> usize {
        self.output.begin(peer.room());
        self.date.begin();
        // A connection that takes no reply any more is closing: its requests are dropped.
        self.take_all(peer, session, bytes).unwrap_or(bytes.len())
    }

    fn writable(&mut self, peer: &mut Peer<'_>, session: &mut HttpSession) {
        Self::stream(peer, session);
        if !matches!(session.state, State::Bytes(_)) {
            // What was left for want of room is wanted now.
            peer.resume_reading();
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, _session: &mut HttpSession, untaken: usize) {
        // A long reply is finished first.
        if untaken == 0 {
            peer.close_when_finished();
        }
    }

    fn draining(&mut self, peer: &mut Peer<'_>, _session: &mut HttpSession) {
        self.is_draining = true;
        peer.close_when_finished();
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut HttpSession) {
        session.timed = false;
        self.output.begin(peer.room());
        self.date.begin();
        let sent = match session.state {
            State::Head => self.refuse(peer, Status::TimedOut),
            _ => Err(SendError::Full),
        };
        if sent.is_err() {
            peer.abort();
        }
    }
}

/// Leaves the request until there is more room to answer.
fn wait_for_room(peer: &mut Peer<'_>) -> Step {
    peer.request_writable();
    Step::Wait
}

/// The length of a line of a long reply.
const LINE: usize = 64;

/// Returns lines of 64 bytes, of which each is the alphabet.
#[allow(clippy::large_stack_arrays, reason = "it is called by the compiler alone")]
const fn pattern() -> [u8; PIECE] {
    let line = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n";
    let mut bytes = [0; PIECE];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = line[at % line.len()];
        at += 1;
    }
    bytes
}
