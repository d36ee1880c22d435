//! HTTP/1.1 (RFC 9112): keep-alive, pipelining, lengths and chunks, within stated limits.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | the service: takes requests, streams replies |
//! | `request.rs` | reads a head |
//! | `body.rs` | reads a body |
//! | `bytes.rs` | streams long replies |
//! | `counters.rs`, `metrics.rs` | keep the counters, write them |
//! | `reply.rs`, `date.rs` | write a head |

mod body;
mod bytes;
mod counters;
mod date;
mod metrics;
mod reply;
mod request;

use core::time::Duration;

use selkie_core::{Counters, Peer, SendError, Service};

use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;
use body::{Body, Piece};
pub use counters::HttpCounters;
use date::DateLine;
use reply::{HEAD_MAX, Length, Persistence, Status, add_head};
use request::{Framing, Head, Route};

/// The answer to `GET /`.
const INDEX: &[u8] = b"Hello from Selkie.\n";
/// The answer to `GET /ready`.
const READY: &[u8] = b"ready\n";
/// Time for a request to come, from its first byte on, and for each part of a long body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of a body that has to come in the time for a request.
const BODY_PART: u64 = 64 * 1024;
/// Bytes around a piece of a chunked reply: its size in up to 16 digits, and two line ends.
const CHUNK_OVERHEAD: usize = 20;

/// Serves `GET /`, `GET /bytes/N` (N bytes), `POST /echo`, and `HEAD`. `GET /ready` says if the
/// server takes more work, and `GET /metrics` shows its counters as a Prometheus server reads them.
///
/// Other requests are answered with 404 or 405. Bytes that are no request are answered with 400,
/// 413, 431, 501 or 505, and a request that is not complete in time with 408; then the connection
/// is closed. Where the head of the reply is sent already, it is aborted.
#[derive(Debug)]
pub struct Http {
    date: DateLine,
    output: OutputBuffer,
    request_timeout: Duration,
    counters: HttpCounters,
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
    /// The client has ended its stream, and bytes of it are left.
    ended: bool,
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
    /// More has to come.
    Incomplete,
    /// Output has to drain.
    Wait,
    /// The connection is closing.
    Close,
}

impl Http {
    /// Makes the service. `clock` returns the seconds since 1970-01-01 00:00 UTC for the `Date` of
    /// replies, or `None` where there is no time of day; then replies have no `Date`.
    #[must_use]
    pub const fn new(clock: fn() -> Option<u64>) -> Self {
        let counters = HttpCounters { requests: 0, malformed: 0, too_slow: 0, cut_off: 0 };
        Self {
            date: DateLine::new(clock),
            output: OutputBuffer::new(),
            request_timeout: REQUEST_TIMEOUT,
            counters,
            is_draining: false,
        }
    }

    /// Sets the time for a request to come, and for each 64 KiB of its body: 10 s if not called.
    #[must_use]
    pub const fn request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// Returns the counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &HttpCounters {
        &self.counters
    }

    /// Takes what can be taken. Returns its length.
    fn take_all(
        &mut self,
        peer: &mut Peer<'_>,
        session: &mut HttpSession,
        bytes: &[u8],
    ) -> Result<usize, SendError> {
        let mut taken = 0;
        let is_incomplete = loop {
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
                Ok(Step::Incomplete) if session.ended => {
                    self.cut_off(peer, session)?;
                    return Ok(bytes.len());
                }
                Ok(Step::Incomplete) => break true,
                Ok(Step::Wait) => break false,
                Ok(Step::Close) => {
                    self.output.flush(peer)?;
                    peer.close();
                    return Ok(bytes.len());
                }
                Err(status) => {
                    self.counters.malformed += 1;
                    self.refuse(peer, status)?;
                    return Ok(bytes.len());
                }
            }
        };
        self.output.flush(peer)?;
        bytes::stream(peer, session);
        self.watch_time(peer, session, is_incomplete);
        Ok(taken)
    }

    /// Ends a connection whose client has ended its stream within a request.
    fn cut_off(&mut self, peer: &mut Peer<'_>, session: &HttpSession) -> Result<(), SendError> {
        self.counters.cut_off += 1;
        if session.state == State::Head {
            return self.refuse(peer, Status::BadRequest);
        }
        self.output.flush(peer)?;
        // The reply stays without its end, which says that it is cut.
        peer.close();
        Ok(())
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
        let (mut head, len) = match request::parse(bytes) {
            Ok(Some(found)) => found,
            Ok(None) if bytes.len() < peer.received_max() => return Ok(Ok(Step::Incomplete)),
            Ok(None) => return Ok(Err(Status::HeadTooLarge)),
            Err(status) => return Ok(Err(status)),
        };
        let rest = match head.route {
            Route::Metrics => metrics::len(peer.counters(), &self.counters),
            _ => 0,
        };
        if self.output.room() < HEAD_MAX + rest {
            return Ok(Ok(wait_for_room(peer)));
        }
        self.counters.requests += 1;
        let has_body = head.framing != Framing::Length(0);
        if has_body && head.expects_continue && bytes.len() == len {
            if matches!(head.route, Route::Refused(_)) {
                // The client need not send the body, so nothing says where the next request begins.
                (head.framing, head.keep_alive) = (Framing::Length(0), false);
            } else {
                self.output.add(peer, b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
        }
        session.last = !head.keep_alive;
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
        let (status, length) = self.answer_to(head, &counters);
        let persistence = Persistence::new(head.keep_alive, head.takes_chunks);
        add_head(&mut self.output, peer, &mut self.date, status, length, persistence)?;
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
            Route::Metrics if !head.omits_body => {
                metrics::add(&mut self.output, peer, &counters, &self.counters)
            }
            Route::Ready if !head.omits_body => {
                let text = if self.is_draining { Status::Draining.text() } else { READY };
                self.output.add(peer, text)
            }
            _ => Ok(()),
        }
    }

    /// Returns the status of a reply, and the length of its body.
    fn answer_to(&self, head: &Head, counters: &Counters) -> (Status, Length) {
        match head.route {
            Route::Index => (Status::Ok, Length::Bytes(INDEX.len() as u64)),
            Route::Bytes(count) => (Status::Ok, Length::Bytes(count)),
            Route::Metrics => {
                (Status::Ok, Length::Bytes(metrics::len(counters, &self.counters) as u64))
            }
            Route::Ready if !self.is_draining => (Status::Ok, Length::Bytes(READY.len() as u64)),
            Route::Ready => (Status::Draining, Length::Bytes(Status::Draining.text().len() as u64)),
            Route::Refused(status) => (status, Length::Bytes(status.text().len() as u64)),
            Route::Echo => match head.framing {
                Framing::Length(length) => (Status::Ok, Length::Bytes(length)),
                Framing::Chunked => (Status::Ok, Length::Chunked),
            },
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
            Err(_) if sink != Sink::Discard => return self.break_off(peer),
            Err(status) => return Ok(Err(status)),
        };
        let len = match piece {
            Piece::Incomplete => return Ok(Ok(Step::Incomplete)),
            Piece::Framing(len) => len,
            Piece::Bytes(bytes) => {
                let used = self.echo(peer, sink, bytes)?;
                if used == 0 {
                    return Ok(Ok(wait_for_room(peer)));
                }
                body.advance(used as u64);
                let before = read;
                read += used as u64;
                // A client that sends a long body steadily has more time.
                session.timed &= before / BODY_PART == read / BODY_PART;
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

    /// Aborts a connection whose reply has begun.
    fn break_off(&mut self, peer: &mut Peer<'_>) -> Result<Result<Step, Status>, SendError> {
        self.counters.malformed += 1;
        self.output.flush(peer)?;
        peer.abort();
        Ok(Ok(Step::Wait))
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

    /// Answers with an error and closes: nothing says where the next request begins.
    fn refuse(&mut self, peer: &mut Peer<'_>, status: Status) -> Result<(), SendError> {
        let text = status.text();
        let length = Length::Bytes(text.len() as u64);
        add_head(&mut self.output, peer, &mut self.date, status, length, Persistence::Close)?;
        self.output.add(peer, text)?;
        self.output.flush(peer)?;
        peer.close();
        Ok(())
    }

    /// Starts the timer when a request begins and is not complete, and stops it when it is, or when
    /// it is the client that has to take replies first.
    fn watch_time(&self, peer: &mut Peer<'_>, session: &mut HttpSession, waits: bool) {
        if waits != session.timed {
            session.timed = waits;
            if waits {
                peer.set_timer(self.request_timeout);
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
        bytes::stream(peer, session);
        if !matches!(session.state, State::Bytes(_)) {
            // What was left for want of room is wanted now.
            peer.resume_reading();
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, session: &mut HttpSession, untaken: usize) {
        if untaken > 0 {
            session.ended = true;
            // The bytes are offered once more: they may be requests that waited for room.
            return peer.resume_reading();
        }
        if let State::Body { .. } = session.state {
            self.counters.cut_off += 1;
            return peer.close();
        }
        // A long reply is finished first.
        peer.close_when_finished();
    }

    fn draining(&mut self, peer: &mut Peer<'_>, _session: &mut HttpSession) {
        self.is_draining = true;
        peer.close_when_finished();
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, session: &mut HttpSession) {
        session.timed = false;
        self.counters.too_slow += 1;
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
