//! The state of one source of a ring.

use std::os::fd::RawFd;

use selkie_core::platform::Close;
use selkie_core::{Error, Instant, Interest, Readiness, Token};

use super::input::Input;
use super::memory::{HELD_SHARED, OUTPUT};
use crate::memory::Zeroable;
use crate::sys::errno::from_errno;

/// The kind of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A connection.
    #[default]
    Stream = 0,
    /// A connection attempt in the kernel.
    Connecting,
    Listener,
    /// A descriptor that is no stream socket: watched by polls, read and written by calls.
    File,
}

/// An operation that may wait until it is cancelled: receiving, accepting, polling, a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Repeated {
    #[default]
    Idle = 0,
    Armed,
    /// It was cancelled, and its last completion is awaited.
    Cancelling,
}

/// The end of a stream in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    /// The end of the stream.
    Ended,
    /// The number of an error.
    Failed(i32),
}

impl End {
    pub(super) fn failure(self) -> Option<Error> {
        match self {
            Self::Failed(code) => Some(from_errno(code)),
            Self::Open | Self::Ended => None,
        }
    }
}

/// Bytes that wait to be sent, in the connection's own buffer. Those in front are in the kernel's
/// hands while `is_sending` is set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Output {
    pub(super) start: u32,
    pub(super) length: u32,
    pub(super) is_sending: bool,
    /// The time since when none of them was sent. It is set when it is asked for, so that the clock
    /// is not read for a message that leaves at once.
    pub(super) since: Option<Instant>,
    /// The room that was too small for its last writer.
    pub(super) declined: u32,
    pub(super) end: End,
}

/// One source.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, a byte each")]
pub(super) struct Endpoint {
    pub(super) fd: RawFd,
    pub(super) kind: Kind,
    /// Set if an adopted file was blocking before: it is again afterwards.
    pub(super) was_blocking: bool,
    /// Operations that the kernel has: the place is not used again before all are completed.
    pub(super) operations: u32,
    pub(super) receiving: Repeated,
    /// Set if the operation that receives or accepts has more than one completion.
    pub(super) is_multishot: bool,
    pub(super) input: Input,
    /// Bytes that the service has left until there are more.
    pub(super) left: u32,
    pub(super) input_end: End,
    pub(super) output: Output,
    pub(super) shuts_down: bool,
    pub(super) closing: Option<Close>,
    /// The timer of a close that waits for its output, and the output that was left when it began.
    pub(super) close_timer: Repeated,
    pub(super) timed_output: u32,
    /// Set when what it sends, or its connection attempt, was cancelled.
    pub(super) is_cancelled: bool,
    /// The token under which it is registered, and what it is armed for.
    pub(super) token: Option<Token>,
    pub(super) armed: Interest,
    /// Set if the kernel has received all that there was.
    pub(super) is_drained: bool,
    /// Events of `poll(2)` that a file was reported ready for.
    pub(super) polled: Readiness,
    /// The first and the last connection that was accepted and not taken + 1, or 0.
    pub(super) parked_first: u32,
    pub(super) parked_last: u32,
    /// The next source in the queue of those that may be ready + 1, or 0.
    pub(super) next_ready: u32,
    pub(super) is_queued: bool,
}

// SAFETY: integers, and enums and options with a variant whose tag is 0, for which zero bytes are
// valid in the fields too. Which variant that is does not matter, as the table writes each place
// before it reads it.
unsafe impl Zeroable for Endpoint {}

impl Endpoint {
    pub(super) fn new(fd: RawFd, kind: Kind) -> Self {
        Self { fd, kind, ..Self::default() }
    }

    /// Returns the bytes that fit into its output.
    #[inline]
    pub(super) const fn room(&self) -> u32 {
        OUTPUT - self.output.length
    }

    /// Returns true if the kernel was never asked to receive, and nothing was received.
    pub(super) fn is_untouched(&self) -> bool {
        self.receiving == Repeated::Idle && self.input.unread == 0 && self.input_end == End::Open
    }

    /// Returns true if the service has something new to read: bytes, or the end.
    #[inline]
    pub(super) fn has_new_input(&self) -> bool {
        self.input.unread > self.left || self.input_end != End::Open
    }

    /// Returns true if a receive has to begin.
    #[inline]
    pub(super) fn wants_to_receive(&self, held_max: u32) -> bool {
        self.receiving == Repeated::Idle
            && self.armed.contains(Interest::READABLE)
            && self.input.held < held_max
            && self.input_end == End::Open
    }

    /// Returns true if a multishot receive is to be cancelled: the service does not read, or not as
    /// fast as the peer sends.
    #[inline]
    pub(super) fn is_slow(&self) -> bool {
        self.input.held > HELD_SHARED || !self.armed.contains(Interest::READABLE)
    }

    /// Returns true if a send, or the shutdown behind the last byte, has to begin.
    #[inline]
    pub(super) fn wants_to_send(&self) -> bool {
        let has_output = self.output.length > 0 || self.shuts_down;
        has_output && !self.output.is_sending && self.output.end == End::Open
    }

    /// Returns true for a stream that is watched for reading alone, has nothing to read, and has
    /// not failed: the usual state between two messages.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.kind == Kind::Stream
            && self.input.unread == 0
            && self.armed == Interest::READABLE
            && self.input_end == End::Open
            && self.output.end == End::Open
            && self.closing.is_none()
    }

    /// Returns true if the kernel has all operations that a stream needs.
    #[inline]
    pub(super) fn is_served(&self) -> bool {
        self.kind == Kind::Stream
            && self.receiving == Repeated::Armed
            && self.closing.is_none()
            && !self.wants_to_send()
    }

    /// Returns true if nothing is to be done or reported when `count` bytes are sent.
    #[inline]
    pub(super) fn is_done_with(&self, count: u32) -> bool {
        count == self.output.length
            && !self.armed.contains(Interest::WRITABLE)
            && !self.shuts_down
            && self.closing.is_none()
    }

    /// Returns what it is ready for, of what it is armed for.
    #[inline]
    pub(super) fn reportable(&self) -> Readiness {
        if self.is_readable_alone() { Readiness::READABLE } else { self.all_reportable() }
    }

    /// Returns true for a stream that is watched for reading alone, has bytes to read, and has
    /// neither ended nor failed.
    #[inline]
    fn is_readable_alone(&self) -> bool {
        self.kind == Kind::Stream
            && self.input.unread > self.left
            && self.armed == Interest::READABLE
            && self.input_end == End::Open
            && self.output.end == End::Open
    }

    fn all_reportable(&self) -> Readiness {
        if self.armed.is_empty() {
            return Readiness::NONE;
        }
        let mut wanted = Readiness::from_bits(u32::from(self.armed.bits() & 0x07));
        wanted |= Readiness::ERROR | Readiness::CLOSED;
        if self.armed.contains(Interest::READABLE) {
            wanted |= Readiness::READ_CLOSED;
        }
        self.readiness() & wanted
    }

    /// Computes what it is ready for.
    pub(super) fn readiness(&self) -> Readiness {
        match self.kind {
            Kind::Stream => self.stream_readiness(),
            Kind::Listener if self.parked_first != 0 || self.input_end != End::Open => {
                Readiness::READABLE
            }
            Kind::Listener | Kind::Connecting => Readiness::NONE,
            Kind::File => self.polled,
        }
    }

    fn stream_readiness(&self) -> Readiness {
        let mut readiness = Readiness::NONE;
        if self.has_new_input() {
            readiness |= Readiness::READABLE;
        }
        if self.output.end.failure().is_some() || self.room() > self.output.declined {
            readiness |= Readiness::WRITABLE;
        }
        if self.input_end == End::Ended {
            readiness |= Readiness::READ_CLOSED;
            if self.output.end == End::Ended {
                readiness |= Readiness::CLOSED;
            }
        }
        if self.input_end.failure().or(self.output.end.failure()).is_some() {
            readiness |= Readiness::ERROR;
        }
        readiness
    }
}
