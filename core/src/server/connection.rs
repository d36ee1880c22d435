//! The state of one slot, and the only ways in which it changes.
//!
//! ```text
//!                 listen                          unlisten, close_listener
//!   Free ------------------------> Listening ------------------------------> Free
//!     |      connect
//!     +--------------------> Connecting ---- fail (refused, timed out) ----> Failed
//!     | open                     |
//!     +<-------------------------+ establish (the platform has connected)
//!     v        begin_closing              begin_lingering
//!   Open ----------------------> Closing -----------------> Lingering
//!     |    (close, read_closed,     |    (output flushed,       |
//!     |     draining)               |     our FIN sent)         |
//!     | fail                        | fail                      | fail
//!     |   (a read failed, aborted,  v                           |
//!     +-- timed out) ----------> Failed <-----------------------+
//!                                   |
//!   Closing, Lingering, Failed -----+---- close_connection ----> Free
//!
//!   While Open, two halves go their own ways:
//!
//!   ReadHalf    Open -- end_read (FIN read) --> Eof -- deliver_end (service told) --> EofDelivered
//!   WriteHalf   Open -- begin_shutdown --> ShuttingDown -- end_write (FIN sent) --> ShutDown
//!               any  -- fail_write (the peer takes nothing more; we still read) --> ShutDown
//! ```

mod axes;

use super::buffer_pool::BufferId;
use super::counters::CloseReason;
use super::origin::Origin;
use crate::compact::compact;
use crate::contract::{Instant, Interest, Token};

pub(super) use axes::{Flag, Phase, ReadHalf, Waiting, WriteHalf};

/// The facts outside a connection that its interest depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// Output is pending that the server keeps.
    pub(super) has_output: bool,
    /// Others wait for a buffer.
    pub(super) buffers_scarce: bool,
    /// The platform watches [`Interest::HANGUP`].
    pub(super) hangups: bool,
}

/// The server's bookkeeping for one slot: 40 bytes. All bits zero is a free slot.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Connection {
    /// The time at which bytes last moved on the socket; kept with an idle timeout only.
    pub(super) progress: Instant,
    /// The service's own deadline, or that of closing and lingering; zero is none.
    pub(super) timer: Instant,
    /// The buffer of pending output. A slot that waits has one of the two buffers at most, so the
    /// place of the other one has the link to the slot in front of it in the queue.
    output: u32,
    /// The buffer of unread input.
    input: u32,
    /// The slot that waits behind this one, as index + 1.
    pub(super) next: u32,
    /// The listener that accepted the connection, or the connection whose callback asked for it;
    /// all zero is neither. Of the latter the highest bit of the index is set.
    pub(super) origin: Token,
    /// Phase, halves, queue, interest, reason and flags, packed. So
    /// [`is_quiet`](Self::is_quiet), which runs for each message, is one comparison.
    state: u32,
}

const PHASE: (u32, u32) = (0, 0x7);
const READ: (u32, u32) = (3, 0x3);
const WRITE: (u32, u32) = (5, 0x3);
const WAITING: (u32, u32) = (7, 0x3);
const INTEREST: (u32, u32) = (9, 0x1f);
const REASON: (u32, u32) = (14, 0xf);

impl Connection {
    /// A free slot: all bits zero.
    pub(super) const EMPTY: Self = Self {
        progress: Instant::ZERO,
        timer: Instant::ZERO,
        output: 0,
        input: 0,
        next: 0,
        origin: Token::new(0, 0),
        state: 0,
    };

    /// Open, watched for reading, and nothing else.
    const QUIET: u32 = Phase::Open as u32 | (Interest::READABLE.bits() as u32) << INTEREST.0;

    const fn get(&self, (shift, mask): (u32, u32)) -> u32 {
        (self.state >> shift) & mask
    }

    const fn put(&mut self, (shift, mask): (u32, u32), bits: u32) {
        self.state = (self.state & !(mask << shift)) | (bits << shift);
    }

    pub(super) const fn phase(&self) -> Phase {
        Phase::unpack(self.get(PHASE))
    }

    pub(super) const fn read_half(&self) -> ReadHalf {
        ReadHalf::unpack(self.get(READ))
    }

    pub(super) const fn write_half(&self) -> WriteHalf {
        WriteHalf::unpack(self.get(WRITE))
    }

    pub(super) const fn waiting(&self) -> Waiting {
        Waiting::unpack(self.get(WAITING))
    }

    /// Returns the interest that the platform was told last.
    #[allow(clippy::cast_possible_truncation, reason = "it is masked")]
    pub(super) const fn watched(&self) -> Interest {
        Interest::from_bits(self.get(INTEREST) as u8)
    }

    pub(super) fn reason(&self) -> CloseReason {
        // `set_reason` has put it there, so it is one of them.
        CloseReason::ALL[self.get(REASON) as usize]
    }

    pub(super) const fn has(&self, flag: Flag) -> bool {
        self.state & flag.0 != 0
    }

    pub(super) const fn set(&mut self, flag: Flag) {
        self.state |= flag.0;
    }

    pub(super) const fn clear(&mut self, flag: Flag) {
        self.state &= !flag.0;
    }

    pub(super) const fn set_watched(&mut self, interest: Interest) {
        self.put(INTEREST, interest.bits() as u32);
    }

    pub(super) const fn set_reason(&mut self, reason: CloseReason) {
        self.put(REASON, reason as u32);
    }

    /// Returns whether the connection is open with nothing pending, unread, requested or ended:
    /// the usual state between two messages. A watch for reading alone rules pending output out.
    /// Where the platform owns the buffers, the place of the input has something else.
    #[inline]
    pub(super) const fn is_quiet(&self, owns_buffers: bool) -> bool {
        self.state == Self::QUIET && (owns_buffers || self.input == 0)
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.phase() == Phase::Open
    }

    /// Returns whether the slot is free.
    pub(super) fn is_vacant(&self) -> bool {
        self.phase() == Phase::Free
    }

    /// Returns whether the service's own deadline has passed, or that of closing or lingering.
    pub(super) fn is_timer_due(&self, now: Instant) -> bool {
        // Zero is no timer, so that a free slot is all zero bits.
        self.timer != Instant::ZERO && self.timer <= now
    }

    /// Returns whether a connection is served or closed in this slot.
    pub(super) fn is_connection(&self) -> bool {
        !matches!(self.phase(), Phase::Free | Phase::Listening)
    }

    /// Returns whether the service may still send.
    pub(super) fn is_sendable(&self) -> bool {
        self.is_open() && self.write_half() == WriteHalf::Open
    }

    compact! {
        /// Returns the buffer of pending output.
        pub(super) fn output(&self) -> Option<BufferId> {
            // In these queues the place of the id has a link.
            match self.waiting() {
                Waiting::Slot | Waiting::Output => None,
                _ => BufferId::unpack(self.output),
            }
        }

        /// Returns the buffer of unread input.
        pub(super) fn input(&self) -> Option<BufferId> {
            // In this queue the place of the id has a link.
            match self.waiting() {
                Waiting::Input => None,
                _ => BufferId::unpack(self.input),
            }
        }
    }

    pub(super) fn set_output(&mut self, buffer: Option<BufferId>) {
        debug_assert!(
            self.waiting() != Waiting::Output,
            "a connection that waits has no buffer to send from"
        );
        self.output = BufferId::pack(buffer);
    }

    pub(super) fn set_input(&mut self, buffer: Option<BufferId>) {
        debug_assert!(
            self.waiting() != Waiting::Input,
            "a connection that waits has no buffer to read into"
        );
        self.input = BufferId::pack(buffer);
    }

    /// Returns since when the service's sends or its input stand still, where the platform owns
    /// the buffers. The places of the ids are free there.
    pub(super) const fn blocked_since(&self) -> Instant {
        Instant::from_nanos((self.output as u64) << 32 | self.input as u64)
    }

    #[allow(clippy::cast_possible_truncation, reason = "it is cut into halves")]
    pub(super) const fn set_blocked_since(&mut self, since: Instant) {
        self.output = (since.as_nanos() >> 32) as u32;
        self.input = since.as_nanos() as u32;
    }

    /// Returns the slot that this one waits behind, as index + 1.
    pub(super) fn previous(&mut self) -> &mut u32 {
        // The place of the buffer that the slot waits for, and so does not have.
        if self.waiting() == Waiting::Input { &mut self.input } else { &mut self.output }
    }

    /// Enters or leaves a queue, with no links.
    pub(super) fn set_waiting(&mut self, waiting: Waiting) {
        // Link and buffer id share a place: no old link may be read as a buffer.
        if self.waiting() != Waiting::Nothing {
            *self.previous() = 0;
        }
        self.put(WAITING, waiting as u32);
        self.next = 0;
        if waiting != Waiting::Nothing {
            *self.previous() = 0;
        }
    }

    /// Makes a free slot a listener: Free -> Listening.
    pub(super) fn listen(&mut self) {
        debug_assert!(self.phase() == Phase::Free);
        // Nothing of the slot's earlier tenant may be left.
        *self = Self::EMPTY;
        self.put(PHASE, Phase::Listening as u32);
    }

    /// Makes a free slot a connection: Free -> Open.
    pub(super) fn open(&mut self, origin: Origin) {
        debug_assert!(self.phase() == Phase::Free);
        // As above; the origin is known from the start.
        *self = Self { origin: origin.pack(), ..Self::EMPTY };
        self.put(PHASE, Phase::Open as u32);
    }

    /// Makes a free slot a connection that is not established yet: Free -> Connecting.
    pub(super) fn connect(&mut self, by: Option<Token>) {
        debug_assert!(self.phase() == Phase::Free);
        *self = Self { origin: Origin::Connected { by }.pack(), ..Self::EMPTY };
        self.put(PHASE, Phase::Connecting as u32);
    }

    /// Records that the platform has connected: Connecting -> Open.
    pub(super) fn establish(&mut self) {
        debug_assert!(self.phase() == Phase::Connecting);
        // The time limit of the attempt is over; from now on the timer is the service's.
        self.put(PHASE, Phase::Open as u32);
        self.timer = Instant::ZERO;
    }

    pub(super) const fn origin(&self) -> Origin {
        Origin::unpack(self.origin)
    }

    /// Records that the peer has sent FIN.
    pub(super) fn end_read(&mut self) {
        debug_assert!(self.is_open() && self.read_half() == ReadHalf::Open);
        self.put(READ, ReadHalf::Eof as u32);
    }

    /// Records that the service is told of the peer's FIN.
    pub(super) fn deliver_end(&mut self) {
        debug_assert!(self.is_open() && self.read_half() == ReadHalf::Eof);
        self.put(READ, ReadHalf::EofDelivered as u32);
    }

    /// Lets the service send nothing more; FIN follows the pending output.
    pub(super) fn begin_shutdown(&mut self) {
        debug_assert!(self.is_sendable());
        // The service can send nothing more, so it is not called when there is room.
        self.put(WRITE, WriteHalf::ShuttingDown as u32);
        self.clear(Flag::WRITABLE_WANTED);
    }

    /// Records that our FIN is sent.
    pub(super) fn end_write(&mut self) {
        debug_assert!(matches!(self.phase(), Phase::Open | Phase::Closing));
        self.put(WRITE, WriteHalf::ShutDown as u32);
    }

    /// Records that the peer takes nothing more; the bytes that it has sent are still read.
    pub(super) fn fail_write(&mut self, reason: CloseReason) {
        debug_assert!(self.is_open());
        self.put(WRITE, WriteHalf::ShutDown as u32);
        self.set(Flag::WRITE_FAILED);
        // Nothing is waited for that only a write could bring.
        self.clear(Flag::WRITABLE_WANTED);
        self.clear(Flag::NO_ROOM);
        // What a peer that is gone has sent is read at once, so that its slot is freed.
        self.clear(Flag::DELAYED);
        self.set_reason(reason);
    }

    /// Begins to close: Open -> Closing.
    pub(super) fn begin_closing(&mut self, reason: CloseReason) {
        debug_assert!(self.is_open());
        self.put(PHASE, Phase::Closing as u32);
        // The service is called once more only, by `closed`.
        self.clear(Flag::WRITABLE_WANTED);
        self.clear(Flag::OFFER_AGAIN);
        // From now on the timer is that of closing and lingering.
        self.timer = Instant::ZERO;
        self.set_reason(reason);
    }

    /// Begins to wait for the peer's FIN: Closing -> Lingering.
    pub(super) fn begin_lingering(&mut self) {
        debug_assert!(self.phase() == Phase::Closing);
        self.put(PHASE, Phase::Lingering as u32);
    }

    /// Marks a connection for closing by a reset: any phase -> Failed.
    pub(super) fn fail(&mut self, reason: CloseReason) {
        debug_assert!(self.is_connection());
        // Buffers and queues are given up when it is closed, in one place for all ends.
        self.put(PHASE, Phase::Failed as u32);
        self.set_reason(reason);
    }

    /// Returns whether the peer's stream is read from, as far as the connection itself decides.
    pub(super) fn reads(&self) -> bool {
        self.waiting() == Waiting::Nothing && self.wants_to_read()
    }

    /// Returns whether the peer's stream is read from once there is a buffer for it.
    pub(super) fn wants_to_read(&self) -> bool {
        self.is_open()
            && self.read_half() == ReadHalf::Open
            && !self.has(Flag::PAUSED)
            && !self.has(Flag::INPUT_FULL)
            && !self.has(Flag::DELAYED)
            // While the reply in progress is finished, no further request is to begin.
            && (!self.has(Flag::FINISHING) || self.has(Flag::TOLD_EARLY))
    }

    /// Returns the interest that the platform has to watch.
    pub(super) fn interest(&self, around: Surroundings) -> Interest {
        match self.phase() {
            Phase::Free | Phase::Failed => Interest::NONE,
            // Level-triggered, a listener whose clients cannot be accepted is reported without end.
            Phase::Listening if self.waiting() == Waiting::Slot => Interest::NONE,
            // A client that waits, and the peer's FIN, are both something to read.
            Phase::Listening | Phase::Lingering => Interest::READABLE,
            // Room for the rest of the output, and the outcome of an attempt.
            Phase::Closing | Phase::Connecting => Interest::WRITABLE,
            Phase::Open => self.interest_while_open(around),
        }
    }

    fn interest_while_open(&self, around: Surroundings) -> Interest {
        let mut interest = Interest::NONE;
        let wants = self.has(Flag::WRITABLE_WANTED) && self.waiting() != Waiting::Output;
        // A FIN too may have to wait for room.
        let pending = around.has_output || self.write_half() == WriteHalf::ShuttingDown;
        if wants || pending || self.has(Flag::NO_ROOM) {
            interest |= Interest::WRITABLE;
        }
        // While others wait for a buffer, a slow peer with an endless supply has to empty its own
        // before it is read from again.
        if self.reads() && !(around.buffers_scarce && around.has_output) {
            interest |= Interest::READABLE;
        }
        // A connection that waits for a buffer waits for a bounded time, and of one that has hung
        // up it is known: level-triggered, it would be reported without end.
        let deaf = interest.is_empty() && matches!(self.waiting(), Waiting::Nothing);
        let has_hung_up = self.has(Flag::WRITE_FAILED) || self.has(Flag::LEFT_IN_ORDER);
        if deaf && around.hangups && !has_hung_up {
            interest = Interest::HANGUP;
        }
        interest
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(test)]
mod tests;
