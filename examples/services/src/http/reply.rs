//! The heads of replies.

use selkie_core::{Peer, SendError};

use super::date::DateLine;
use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;

/// The longest head of a reply, with the text of a refusal.
pub(super) const HEAD_MAX: usize = 320;

/// The status of a reply, and for a refusal its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// 200.
    Ok,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405, where only `GET` and `HEAD` are served.
    OnlyGet,
    /// 405, where only `POST` is served.
    OnlyPost,
    /// 408.
    TimedOut,
    /// 413.
    BodyTooLarge,
    /// 431.
    HeadTooLarge,
    /// 501.
    NotImplemented,
    /// 503.
    Draining,
    /// 505.
    VersionUnsupported,
}

impl Status {
    /// Returns the status line, with the fields that only this status has.
    const fn line(self) -> &'static [u8] {
        match self {
            Self::Ok => b"HTTP/1.1 200 OK\r\n",
            Self::BadRequest => b"HTTP/1.1 400 Bad Request\r\n",
            Self::NotFound => b"HTTP/1.1 404 Not Found\r\n",
            Self::OnlyGet => b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n",
            Self::OnlyPost => b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\n",
            Self::TimedOut => b"HTTP/1.1 408 Request Timeout\r\n",
            Self::BodyTooLarge => b"HTTP/1.1 413 Content Too Large\r\n",
            Self::HeadTooLarge => b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
            Self::NotImplemented => b"HTTP/1.1 501 Not Implemented\r\n",
            Self::Draining => b"HTTP/1.1 503 Service Unavailable\r\n",
            Self::VersionUnsupported => b"HTTP/1.1 505 HTTP Version Not Supported\r\n",
        }
    }

    /// Returns the body that says what was wrong.
    pub(super) const fn text(self) -> &'static [u8] {
        match self {
            Self::Ok => b"",
            Self::BadRequest => b"not a request of HTTP/1.1\n",
            Self::NotFound => b"try /, /bytes/1000, /metrics, /ready, or POST to /echo\n",
            Self::OnlyGet => b"use GET or HEAD\n",
            Self::OnlyPost => b"use POST\n",
            Self::TimedOut => b"the request did not come in time\n",
            Self::BodyTooLarge => b"the body is longer than 64 MiB\n",
            Self::HeadTooLarge => b"the head or a line is too long, or has more than 32 fields\n",
            Self::NotImplemented => b"the only transfer coding here is chunked\n",
            Self::Draining => b"draining\n",
            Self::VersionUnsupported => b"use HTTP/1.1 or HTTP/1.0\n",
        }
    }
}

/// The length of a reply's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(u64),
    Chunked,
}

/// The state of the connection after a reply, as its head says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays open, which is the default of HTTP/1.1.
    Implied,
    /// It stays open. The answer to an HTTP/1.0 client says so in a header.
    KeepAlive,
    /// It is closed.
    Close,
}

impl Persistence {
    /// Returns what to say to a client, which knows HTTP/1.1 or not.
    pub(super) const fn new(goes_on: bool, is_1_1: bool) -> Self {
        match (goes_on, is_1_1) {
            (true, true) => Self::Implied,
            (true, false) => Self::KeepAlive,
            (false, _) => Self::Close,
        }
    }

    const fn line(self) -> &'static [u8] {
        match self {
            Self::Implied => b"\r\n\r\n",
            Self::KeepAlive => b"\r\nConnection: keep-alive\r\n\r\n",
            Self::Close => b"\r\nConnection: close\r\n\r\n",
        }
    }
}

/// Adds the head of a reply.
pub(super) fn add_head(
    output: &mut OutputBuffer,
    peer: &mut Peer<'_>,
    date: &mut DateLine,
    status: Status,
    length: Length,
    persistence: Persistence,
) -> Result<(), SendError> {
    output.add(peer, status.line())?;
    output.add(peer, date.line())?;
    match length {
        Length::Bytes(length) => {
            output.add(peer, b"Content-Type: text/plain\r\nContent-Length: ")?;
            output.add(peer, Decimal::new(length).digits())?;
        }
        Length::Chunked => {
            output.add(peer, b"Content-Type: text/plain\r\nTransfer-Encoding: chunked")?;
        }
    }
    output.add(peer, persistence.line())
}
