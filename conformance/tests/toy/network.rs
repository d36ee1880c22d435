//! Connections in memory.

use std::collections::VecDeque;

use selkie_core::{Error, ErrorKind, Readiness};

/// Capacity of one direction of a connection, in bytes.
pub(crate) const PIPE: usize = 64 * 1024;

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) bytes: VecDeque<u8>,
    pub(crate) ended: bool,
}

impl Pipe {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.bytes.is_empty() && !self.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.bytes.len());
        for (place, byte) in buffer.iter_mut().zip(self.bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let count = bytes.len().min(PIPE - self.bytes.len());
        if self.ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.bytes.extend(&bytes[..count]);
        Ok(count)
    }
}

/// Kind of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    /// A stream without a far end.
    Unconnected,
    /// An attempt that was refused.
    Refused,
    Listener,
    File,
}

/// One source of the platform, and the far end that belongs to it. Sources are never reused, so a
/// handle is an index.
#[allow(
    clippy::struct_excessive_bools,
    reason = "any of these can be true of a connection beside any other"
)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    /// From the far end to the near one.
    pub(crate) inward: Pipe,
    /// From the near end to the far one.
    pub(crate) outward: Pipe,
    pub(crate) reset: bool,
    pub(crate) urgent: bool,
    pub(crate) broken: bool,
    pub(crate) near_closed: bool,
    pub(crate) far_closed: bool,
    /// Number of bytes that the reader left unconsumed.
    pub(crate) left: usize,
    /// Connections that wait at a listener.
    pub(crate) waiting: VecDeque<usize>,
    /// Number of changes that may have made the source ready, for edge mode.
    pub(crate) changes: u64,
}

impl Line {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            inward: Pipe::default(),
            outward: Pipe::default(),
            reset: false,
            urgent: false,
            broken: false,
            near_closed: false,
            far_closed: false,
            left: 0,
            waiting: VecDeque::new(),
            changes: 0,
        }
    }

    /// Returns whether both directions have ended.
    fn is_over(&self) -> bool {
        let ended = self.inward.ended && self.outward.ended;
        self.kind == Kind::Unconnected || self.far_closed || ended
    }

    /// Returns what the near end is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::NONE;
        let mut set = |flag, condition| {
            if condition {
                readiness |= flag;
            }
        };
        set(Readiness::READABLE, self.inward.bytes.len() > self.left || !self.waiting.is_empty());
        set(Readiness::READABLE | Readiness::WRITABLE, self.kind == Kind::File);
        set(Readiness::WRITABLE, self.kind == Kind::Stream && self.outward.bytes.len() < PIPE);
        set(Readiness::PRIORITY, self.urgent);
        set(Readiness::READ_CLOSED, self.inward.ended);
        set(Readiness::CLOSED, self.is_over());
        set(Readiness::ERROR, self.reset || self.broken || self.kind == Kind::Refused);
        readiness.with_implied()
    }
}

/// All sources that there ever were.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) lines: Vec<Line>,
}

impl Network {
    pub(crate) fn open(&mut self, kind: Kind) -> usize {
        self.lines.push(Line::new(kind));
        self.lines.len() - 1
    }

    /// Records a change of the near end's readiness.
    pub(crate) fn change(&mut self, line: usize) -> &mut Line {
        let line = &mut self.lines[line];
        line.changes += 1;
        line
    }
}
