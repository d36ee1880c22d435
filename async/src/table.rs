//! The table of slots: the connection in each, and the task that it belongs to.

use core::cell::Cell;
use core::fmt;
use core::task::{Context, Poll};

use selkie_core::layers::Ending;
use selkie_core::{Instant, Token};

use crate::error::Error;
use crate::lent::{Desk, Lent};
use crate::time::Timer;
use crate::wake::Wakes;

/// One yes or no of a slot.
#[derive(Clone, Copy)]
pub(crate) struct Flag(u16);

impl Flag {
    /// A task is in this slot, made for the connection in it, and may be polled.
    pub(crate) const TASK: Self = Self(1 << 0);
    /// The task waits for bytes of this connection.
    pub(crate) const READING: Self = Self(1 << 1);
    /// The task has left bytes that it was offered.
    pub(crate) const LEFT: Self = Self(1 << 2);
    /// The peer has ended its stream; some of its bytes are not taken yet.
    pub(crate) const ENDING: Self = Self(1 << 3);
    /// There is nothing more to read.
    pub(crate) const ENDED: Self = Self(1 << 4);
    /// The server drains: what is not there yet is not waited for.
    pub(crate) const DRAINING: Self = Self(1 << 5);
    /// The task has paused reading.
    pub(crate) const PAUSED: Self = Self(1 << 6);
    /// The connection was given up while its task was not polled.
    pub(crate) const TO_CLOSE: Self = Self(1 << 7);
    /// The same, by a reset.
    pub(crate) const TO_ABORT: Self = Self(1 << 8);
    /// The connection was asked for, and is not established yet.
    pub(crate) const CONNECTING: Self = Self(1 << 9);
    /// Bytes were offered since the server has looked for more last.
    pub(crate) const OFFERED: Self = Self(1 << 10);
}

/// The bookkeeping for one slot of the loop. All bits zero is a free slot.
pub struct TaskSlot {
    /// When the timer of the task in this slot expires, at the latest; zero if it is not set. Of a
    /// connection of another slot's task: the generation of that slot.
    pub(crate) deadline: Cell<Instant>,
    /// The generation of the connection's token; 0 if there is none.
    pub(crate) generation: Cell<u32>,
    /// The slot of the task that the connection belongs to.
    pub(crate) task: Cell<u32>,
    /// The slot, plus 1, of another task that waits for this connection to close.
    pub(crate) stranger: Cell<u32>,
    flags: Cell<u16>,
    /// The reason why the last connection in this slot was closed, as a number.
    pub(crate) reason: Cell<u8>,
}

impl TaskSlot {
    /// Returns a free slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deadline: Cell::new(Instant::ZERO),
            generation: Cell::new(0),
            task: Cell::new(0),
            stranger: Cell::new(0),
            flags: Cell::new(0),
            reason: Cell::new(0),
        }
    }

    /// Begins to describe a connection that belongs to the task which was made for `owner`.
    #[allow(clippy::cast_possible_truncation, reason = "indices of tokens have 32 bits")]
    pub(crate) fn open(&self, token: Token, owner: Token, flag: Flag) {
        let generation = if token == owner { 0 } else { owner.generation() };
        self.deadline.set(Instant::from_nanos(generation.into()));
        self.generation.set(token.generation());
        self.task.set(owner.index() as u32);
        self.flags.set(flag.0);
    }

    /// Returns the connection that the task of connection `token`, in this slot, was made for.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "it was a generation before")]
    pub(crate) fn owner(&self, token: Token) -> Token {
        let task = self.task.get();
        if task as usize == token.index() {
            return token;
        }
        Token::new(task, self.deadline.get().as_nanos() as u32)
    }

    #[inline]
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.flags.get() & flag.0 != 0
    }

    #[inline]
    pub(crate) fn set(&self, flag: Flag) {
        self.flags.set(self.flags.get() | flag.0);
    }

    #[inline]
    pub(crate) fn clear(&self, flag: Flag) {
        self.flags.set(self.flags.get() & !flag.0);
    }

    /// Records that bytes are offered. Returns whether the task in this slot waits for them.
    #[inline]
    pub(crate) fn offer(&self) -> bool {
        let (flags, waits) = (self.flags.get(), Flag::TASK.0 | Flag::READING.0);
        let is_awaited = flags & waits == waits;
        if is_awaited {
            self.flags.set(flags & !(Flag::READING.0 | Flag::LEFT.0) | Flag::OFFERED.0);
        }
        is_awaited
    }

    /// Clears a flag. Returns whether it was set.
    #[inline]
    pub(crate) fn take(&self, flag: Flag) -> bool {
        let was_set = self.has(flag);
        self.clear(flag);
        was_set
    }
}

impl Default for TaskSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TaskSlot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskSlot")
            .field("generation", &self.generation.get())
            .field("flags", &self.flags.get())
            .finish_non_exhaustive()
    }
}

/// The things that tasks and the service share: the slots, the wake flags, and the place where the
/// peer of a callback is lent to the task that is polled.
///
/// ```
/// use selkie_async::{TaskSlot, TaskTable, WakeFlags};
///
/// static WAKES: WakeFlags<1> = WakeFlags::new();
///
/// let slots = [const { TaskSlot::new() }; 9];
/// let table = TaskTable::new(&slots, WAKES.wakes());
/// ```
pub struct TaskTable<'h> {
    pub(crate) slots: &'h [TaskSlot],
    pub(crate) wakes: Wakes,
    pub(crate) desk: Desk,
}

impl<'h> TaskTable<'h> {
    /// Makes a table over `slots`, as many as the loop has.
    ///
    /// # Panics
    ///
    /// If there are fewer wake flags than slots.
    #[must_use]
    pub const fn new(slots: &'h [TaskSlot], wakes: Wakes) -> Self {
        assert!(slots.len() <= wakes.len(), "there are fewer wake flags than slots");
        Self { slots, wakes, desk: Desk::new() }
    }

    /// Returns the clock of the tasks.
    #[must_use]
    pub const fn timer(&'h self) -> Timer<'h> {
        Timer::new(self)
    }

    /// Returns the wake flags.
    #[must_use]
    pub const fn wakes(&self) -> Wakes {
        self.wakes
    }

    /// Returns the slot of a token that names a connection.
    #[inline]
    pub(crate) fn find(&self, token: Token) -> Option<&'h TaskSlot> {
        let slot = self.slots.get(token.index())?;
        (slot.generation.get() == token.generation()).then_some(slot)
    }

    /// Returns the token of the connection in a slot.
    #[allow(clippy::cast_possible_truncation, reason = "indices of tokens have 32 bits")]
    pub(crate) fn token(&self, index: usize) -> Token {
        let generation = self.slots.get(index).map_or(0, |slot| slot.generation.get());
        Token::new(index as u32, generation)
    }

    /// Acts on a connection with what is lent to its task, if that is the one that is polled. If
    /// the connection is closed, the outcome is an error, and otherwise to wait.
    #[inline]
    pub(crate) fn act<R>(
        &self,
        token: Token,
        context: &Context<'_>,
        act: impl FnOnce(&mut Lent<'_>, &TaskSlot) -> Poll<Result<R, Error>>,
    ) -> Poll<Result<R, Error>> {
        let outcome = self.desk.with(|lent| {
            let slot = if lent.token == token { lent.slot } else { self.find_for(lent, token)? };
            Some(act(lent, slot))
        });
        match outcome.flatten() {
            Some(Poll::Ready(Err(error))) => self.refuse(context).map_err(|_: Error| error),
            Some(outcome) => outcome,
            None if self.find(token).is_none() => self.refuse(context),
            None => Poll::Pending,
        }
    }

    /// Returns the slot of a connection of the task that is polled. Another task is noted as the
    /// one that waits for the connection to close.
    #[cold]
    fn find_for(&self, lent: &Lent<'_>, token: Token) -> Option<&'h TaskSlot> {
        let slot = self.find(token)?;
        let is_own = slot.owner(token) == lent.task;
        if !is_own {
            slot.stranger.set(u32::try_from(lent.task.index() + 1).unwrap_or(0));
        }
        is_own.then_some(slot)
    }

    /// Returns an error; or after many in the same poll, has the task wait for a turn, so that one
    /// that repeats what cannot succeed does not stop the loop.
    #[cold]
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
    pub(crate) fn refuse<R>(&self, context: &Context<'_>) -> Poll<Result<R, Error>> {
        if self.desk.with(|lent: &mut Lent<'_>| lent.has_patience()).unwrap_or(true) {
            return Poll::Ready(Err(Error::Closed));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Closes a connection: at once if its task is polled, otherwise when that is polled next.
    pub(crate) fn close(&self, token: Token, ending: Ending) {
        let Some(slot) = self.find(token) else { return };
        let done = self.desk.with(|lent| {
            let is_own = slot.owner(token) == lent.task;
            if is_own {
                lent.ops.close(token, ending);
            }
            is_own
        });
        if done != Some(true) {
            slot.set(if ending == Ending::Aborted { Flag::TO_ABORT } else { Flag::TO_CLOSE });
            self.wakes.waker(slot.task.get() as usize).wake_by_ref();
        }
    }
}

impl fmt::Debug for TaskTable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskTable")
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}
