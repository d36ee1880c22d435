//! What the platform knows of one source, and the memory that the host writes to behind its back.

use core::cell::UnsafeCell;

use selkie_core::Error;

use super::address::Fallible;
use crate::direction::Direction;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing.
    Vacant = 0,
    /// Its reading end gives sockets.
    Listener,
    /// A connection.
    Stream,
    /// A connection that is being made. Its writing end is the call that makes it.
    Attempt,
    /// A connection that was not made.
    Failed,
}

/// What is known of one direction of a source. (The first is all zero bits, so that tables are.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// Nothing: something was read or written since the host was last asked.
    Unknown = 0,
    /// The host was asked, and will send an event.
    InFlight,
    /// It is ready. For reading: bytes or a connection lie in the mailbox.
    Ready,
    /// It has come to its end, or to an error. To ask the host again would be a trap.
    Ended,
}

/// One direction of a source. The handles are 0 where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// The end of the stream that is ours.
    pub(super) end: u32,
    /// The future that says why the stream ended.
    pub(super) result: u32,
    /// Why the stream ended, if the peer did not mean it to.
    pub(super) error: Option<Error>,
    pub(super) state: State,
    /// Whether the end is in the set.
    pub(super) joined: bool,
    /// Whether what lies in the mailbox is the last that there is.
    pub(super) last: bool,
}

impl Side {
    /// A direction that there is not.
    pub(super) const NONE: Self = Self::new(0, 0);

    /// A stream that was opened just now.
    pub(super) const fn new(end: u32, result: u32) -> Self {
        Self { end, result, error: None, state: State::Unknown, joined: false, last: false }
    }
}

/// A listener or a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(super) kind: Kind,
    /// Whether the source is in the queue of those to be looked at.
    pub(super) queued: bool,
    /// The socket.
    pub(super) socket: u32,
    /// By direction.
    pub(super) sides: [Side; 2],
    /// Of the bytes in the mailbox: the first that was not read yet, and the one behind the last.
    pub(super) mail: [u16; 2],
    /// The neighbours in the queue, plus one.
    pub(super) neighbours: [u32; 2],
    /// The turn in which the source was last reported.
    pub(super) turn: u32,
}

impl Endpoint {
    /// Nothing.
    pub(super) const VACANT: Self = Self {
        kind: Kind::Vacant,
        queued: false,
        socket: 0,
        sides: [Side::NONE; 2],
        mail: [0; 2],
        neighbours: [0; 2],
        turn: 0,
    };

    #[inline]
    pub(super) const fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction as usize]
    }
}

/// How many bytes the host may put into a mailbox before anybody reads: a message of a few words
/// takes one call then, and of a longer one the rest is read past the mailbox.
pub(super) const BYTES_MAX: usize = 128;

/// Where the host puts what comes of an operation that is in flight: the first bytes of what a
/// stream received, the connection that a listener accepted, or the result of a connection attempt.
/// It is written when the host pleases, so it must live for ever and never move.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Mailbox(UnsafeCell<Contents>);

/// The kinds of mail.
#[derive(Clone, Copy)]
#[repr(C)]
union Contents {
    bytes: [u8; BYTES_MAX],
    socket: u32,
    result: Fallible,
}

impl core::fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Contents")
    }
}

impl Mailbox {
    /// Without mail: all bits zero.
    #[expect(
        clippy::declare_interior_mutable_const,
        reason = "a value to fill tables with, never borrowed"
    )]
    pub(super) const EMPTY: Self = Self(UnsafeCell::new(Contents { bytes: [0; BYTES_MAX] }));

    /// Where the host writes a socket.
    pub(super) const fn socket_place(&self) -> *mut u32 {
        self.0.get().cast()
    }

    /// Where the host writes bytes.
    pub(super) const fn bytes_place(&self) -> *mut u8 {
        self.0.get().cast()
    }

    /// Where the host writes a result.
    pub(super) const fn result_place(&self) -> *mut Fallible {
        self.0.get().cast()
    }

    /// The socket that the host wrote.
    pub(super) const fn socket(&self) -> u32 {
        // SAFETY: the cell is initialised, every bit pattern is a number, and the host writes only
        // while the guest is in a call of the host.
        unsafe { self.socket_place().read() }
    }

    /// Copies bytes that the host wrote, from this one on, and says how many there were to copy and
    /// room for.
    pub(super) fn copy(&self, [first, end]: [u16; 2], place: &mut [u8]) -> usize {
        let (first, end) = (usize::from(first), usize::from(end).min(BYTES_MAX));
        let count = end.saturating_sub(first).min(place.len());
        // SAFETY: the cell is initialised, `count` bytes from the first one on lie within it, and
        // as many within the place, which is a reference, and so somewhere else. The host
        // writes only while the guest is in one of its calls.
        unsafe {
            core::ptr::copy_nonoverlapping(
                self.bytes_place().add(first),
                place.as_mut_ptr(),
                count,
            );
        };
        count
    }

    /// The result that the host wrote.
    pub(super) const fn result(&self) -> Result<(), Error> {
        // SAFETY: as above; a result is made of numbers too.
        unsafe { self.result_place().read() }.check()
    }
}
