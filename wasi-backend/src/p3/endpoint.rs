//! The state of one source, and the memory that the host writes to between its calls.

use core::cell::UnsafeCell;
use core::net::SocketAddr;

use selkie_core::Error;

use super::WaitableSet;
use super::abi;
use super::address::Fallible;
use crate::shared::direction::Direction;

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// No source.
    Vacant = 0,
    /// A listener. Its readable end returns sockets.
    Listener,
    /// A connection.
    Stream,
    /// A connection attempt. Its writable end is the call that makes it.
    Attempt,
    /// A failed connection attempt.
    Failed,
    /// A stream that is only read, such as standard input.
    Input,
    /// Another source: its functions say everything.
    Other,
}

/// The functions of a source that is no TCP socket. A program that opens none imports none of what
/// they call.
#[derive(Debug)]
pub(super) struct Functions {
    /// Starts an operation in one direction, if its readiness is unknown.
    pub(super) request: fn(&mut WaitableSet, usize, Direction),
    /// Processes an event about one direction.
    pub(super) finish: fn(&mut WaitableSet, usize, Direction, WaitableEvent),
    /// Cancels what is in flight and drops the handles.
    pub(super) release: fn(&mut WaitableSet, usize),
    /// Returns the address of this end.
    pub(super) local_address: fn(u32) -> Result<SocketAddr, Error>,
}

/// The answer of a source without an address.
#[cfg(target_arch = "wasm32")]
pub(super) const NO_ADDRESS: Result<SocketAddr, Error> =
    Err(Error::new(selkie_core::ErrorKind::InvalidInput));

/// An event of the host about a waitable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitableEvent {
    /// The kind: 1 for a subtask, 2 and 3 for a stream that was read or written, 4 and 5 for a
    /// future.
    pub kind: u32,
    /// The state of the subtask, or the result of the operation.
    pub code: u32,
}

impl WaitableEvent {
    /// A call has returned.
    pub(super) const RETURNED: Self =
        Self { kind: abi::EVENT_SUBTASK, code: abi::SUBTASK_RETURNED };
}

/// The state of one direction of a source. (The first is all zero bits, so that tables are.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// Unknown: bytes were moved since the last request.
    Unknown = 0,
    /// Requested: the host will send an event.
    InFlight,
    /// Ready. For reading: bytes or a connection were read ahead.
    Ready,
    /// At its end, or failed. end-is-final: another request would be a trap.
    Ended,
}

/// One direction of a source. The handles are 0 where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// The end of the stream that belongs to the guest.
    pub(super) end: u32,
    /// The future with the reason of the end.
    pub(super) result: u32,
    /// The error that ended the stream, unless the peer has ended it.
    pub(super) error: Option<Error>,
    pub(super) state: State,
    /// Set if the end is in the set.
    pub(super) joined: bool,
    /// Set if the bytes read ahead are the last ones.
    pub(super) last: bool,
}

impl Side {
    /// No stream.
    pub(super) const NONE: Self = Self::new(0, 0);

    /// Creates the state of a new stream.
    pub(super) const fn new(end: u32, result: u32) -> Self {
        Self { end, result, error: None, state: State::Unknown, joined: false, last: false }
    }
}

/// A listener or a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(super) kind: Kind,
    /// The functions of a source that is no TCP socket.
    pub(super) functions: Option<&'static Functions>,
    /// Set if the source is in the queue.
    pub(super) queued: bool,
    /// The socket.
    pub(super) socket: u32,
    /// The state of each direction.
    pub(super) sides: [Side; 2],
    /// The range of the bytes read ahead that were not read yet.
    pub(super) ahead_range: [u16; 2],
    /// The neighbours in the queue, plus one.
    pub(super) neighbours: [u32; 2],
    /// The turn in which the source was last reported.
    pub(super) turn: u32,
}

impl Endpoint {
    /// No source.
    pub(super) const VACANT: Self = Self {
        kind: Kind::Vacant,
        functions: None,
        queued: false,
        socket: 0,
        sides: [Side::NONE; 2],
        ahead_range: [0; 2],
        neighbours: [0; 2],
        turn: 0,
    };

    /// Returns the state of one direction.
    #[inline]
    pub(super) const fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction as usize]
    }
}

/// Number of bytes that the host may read ahead: a short message takes one call, and the rest of a
/// longer one goes directly to its reader.
pub(super) const BYTES_MAX: usize = 128;

/// The memory of an operation in flight: the first bytes that a stream received, the connection
/// that a listener accepted, or the result of a connection attempt. in-flight-memory: the host
/// writes to it between calls, so it is `'static` and never moves.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct ReadAhead(UnsafeCell<Contents>);

/// The kinds of results.
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

impl ReadAhead {
    /// All bits zero.
    #[expect(
        clippy::declare_interior_mutable_const,
        reason = "a value to fill tables with, never borrowed"
    )]
    pub(super) const EMPTY: Self = Self(UnsafeCell::new(Contents { bytes: [0; BYTES_MAX] }));

    /// Returns the place for a socket.
    pub(super) const fn socket_place(&self) -> *mut u32 {
        self.0.get().cast()
    }

    /// Returns the place for bytes.
    pub(super) const fn bytes_place(&self) -> *mut u8 {
        self.0.get().cast()
    }

    /// Returns the place for a result.
    pub(super) const fn result_place(&self) -> *mut Fallible {
        self.0.get().cast()
    }

    /// Returns the socket that the host wrote.
    pub(super) const fn socket(&self) -> u32 {
        // SAFETY: the cell is initialised, every bit pattern is a number, and the host writes only
        // while the guest is in a call of the host.
        unsafe { self.socket_place().read() }
    }

    /// Returns the place of a word.
    pub(super) const fn word_place<const FIRST: usize>(&self) -> *mut u32 {
        const { assert!(FIRST < BYTES_MAX / 4) }
        // SAFETY: the word lies within the cell.
        unsafe { self.socket_place().add(FIRST) }
    }

    /// Returns words that the host wrote, from this one on.
    pub(super) const fn words<const FIRST: usize, const COUNT: usize>(&self) -> [u32; COUNT] {
        const { assert!(FIRST + COUNT <= BYTES_MAX / 4) }
        // SAFETY: as above; the words lie within the cell.
        unsafe { self.word_place::<FIRST>().cast::<[u32; COUNT]>().read() }
    }

    /// Copies bytes of this range that the host wrote, as far as there is room, and returns their
    /// number.
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

    /// Returns the result that the host wrote.
    pub(super) const fn result(&self) -> Result<(), Error> {
        // SAFETY: as above; a result is made of numbers too.
        unsafe { self.result_place().read() }.check()
    }
}
