//! The service that runs a task for each connection.

use core::fmt;
use core::future::Future;
use core::ops::DerefMut;
use core::pin::Pin;
use core::task::Context;

use selkie_core::layers::{Ending, PeerOps};
use selkie_core::{CloseReason, Instant, Peer, Service, Token};

use crate::conn::Conn;
use crate::lent::Lent;
use crate::table::{Flag, TaskSlot, TaskTable};
#[cfg(feature = "alloc")]
use crate::wake::Wakes;

/// A [`Service`] that runs an `async fn` for each connection.
///
/// `F` makes the future of a connection, `P` points to the memory of all futures: one
/// `Option<Future>` for each slot of the loop, pinned.
///
/// ```
/// use std::pin::pin;
///
/// use selkie_async::{AsyncService, Conn, TaskSlot, TaskTable, WakeFlags};
///
/// async fn echo(mut conn: Conn<'_>) {
///     let mut buffer = [0; 256];
///     while let Ok(count @ 1..) = conn.read(&mut buffer).await {
///         if conn.write_all(&buffer[..count]).await.is_err() {
///             break;
///         }
///     }
/// }
///
/// static WAKES: WakeFlags<1> = WakeFlags::new();
///
/// let slots = [const { TaskSlot::new() }; 9];
/// let table = TaskTable::new(&slots, WAKES.wakes());
/// let futures = pin!([const { None }; 9]);
/// let service = AsyncService::new(&table, futures, echo);
/// # fn serve(_: impl selkie_core::Service) {}
/// # serve(service);
/// ```
///
/// # What becomes of a task
///
/// | the task | outcome |
/// | --- | --- |
/// | returns | what it has written is sent, then the connection is closed |
/// | never waits | the loop stands still until it does, as in every other executor of one thread |
/// | panics | its connection is reset and its future dropped, if the panic is caught |
/// | is never woken | the timeouts of the server apply: idle, stalled, input that is not taken |
/// | waits while the peer resets | its calls return [`Error::Closed`](crate::Error::Closed), once |
pub struct AsyncService<'h, F, P: DerefMut, const CONNECTS: bool = false> {
    table: &'h TaskTable<'h>,
    futures: Pin<P>,
    start: F,
}

impl<'h, F, Fut, P, const CONNECTS: bool> AsyncService<'h, F, P, CONNECTS>
where
    F: Fn(Conn<'h>) -> Fut,
    Fut: Future<Output = ()>,
    P: DerefMut<Target = [Option<Fut>]>,
{
    /// Returns the table that the tasks and the service share.
    #[must_use]
    pub const fn table(&self) -> &'h TaskTable<'h> {
        self.table
    }

    /// Returns the same service as one whose tasks may [connect](Conn::connect). Without it, what
    /// connecting needs is not part of the program.
    #[must_use]
    pub fn connecting(self) -> AsyncService<'h, F, P, true> {
        let Self { table, futures, start } = self;
        AsyncService { table, futures, start }
    }

    fn with_futures(table: &'h TaskTable<'h>, futures: Pin<P>, start: F) -> Self {
        let (slots, places) = (table.slots.len(), futures.len());
        assert_eq!(slots, places, "a table of {slots} slots has memory for {places} futures");
        Self { table, futures, start }
    }

    /// Returns the place of a task's future.
    #[inline]
    fn place(futures: &mut Pin<P>, index: usize) -> Option<Pin<&mut Option<Fut>>> {
        // SAFETY: nothing is moved: the reference becomes a pointer at once. (A shared reference to
        // all places, which `get_mut` would make, would end the references that futures have into
        // themselves.)
        let places: *mut [Option<Fut>] = unsafe { futures.as_mut().get_unchecked_mut() };
        if index >= places.len() {
            return None;
        }
        // SAFETY: the place is one of the slice, which is borrowed as long as the result; a part of
        // a pinned value is pinned.
        Some(unsafe { Pin::new_unchecked(&mut *places.cast::<Option<Fut>>().add(index)) })
    }

    /// Polls the task of `lent`, of which there is one. Out of line, as it is called from each
    /// callback, and has the only call of the future's own code.
    #[inline(never)]
    fn poll(&mut self, lent: &mut Lent<'_>) {
        let (table, index) = (self.table, lent.task.index());
        let Some(mut place) = Self::place(&mut self.futures, index) else { return };
        table.wakes.begin_poll();
        let waker = table.wakes.waker(index);
        let mut turn = Turn { table, lent };
        let loan = table.desk.lend(turn.lent);
        let has_ended = match place.as_mut().as_pin_mut() {
            Some(future) => future.poll(&mut Context::from_waker(&waker)).is_ready(),
            None => true,
        };
        drop(loan);
        if has_ended {
            turn.end(Ending::Flushed);
            let _loan = table.desk.lend(turn.lent);
            place.set(None);
        }
        if table.wakes.end_poll() {
            schedule_woken(table, turn.lent.ops);
        }
        core::mem::forget(turn);
    }

    /// Polls the task of `lent`. Without one, as it has ended or has panicked, all bytes are taken.
    fn poll_if_any(&mut self, lent: &mut Lent<'_>) {
        let slot = self.table.slots.get(lent.task.index());
        if slot.is_some_and(|slot| slot.has(Flag::TASK)) {
            self.poll(lent);
        } else {
            lent.input = &[];
        }
    }

    /// Polls the task of a connection in a callback that offers no bytes.
    fn poll_for(&mut self, peer: &mut Peer<'_>, offers_again: bool, has_looked: bool) {
        let token = peer.token();
        let Some(slot) = self.table.find(token) else { return };
        let mut lent = Lent::new(peer.ops(), token, slot, slot.owner(token), &[]);
        (lent.offers_again, lent.has_looked) = (offers_again, has_looked);
        obey(slot, &mut lent);
        self.poll_owner(&mut lent);
    }

    /// Polls the task of a connection, which may be one that the task has connected to. If the task
    /// has ended, the connection is closed.
    fn poll_owner(&mut self, lent: &mut Lent<'_>) {
        if lent.task != lent.token && self.table.find(lent.task).is_none() {
            lent.ops.close(lent.token, Ending::Flushed);
            lent.input = &[];
        } else {
            self.poll_if_any(lent);
        }
    }

    /// Offers bytes of a connection that another slot's task has asked for, or whose task does not
    /// wait for them. Returns the number of those that are taken.
    #[cold]
    #[inline(never)]
    fn received_aside(&mut self, token: Token, ops: &mut dyn PeerOps, bytes: &[u8]) -> usize {
        let Some(slot) = self.table.find(token) else { return bytes.len() };
        slot.set(Flag::OFFERED);
        if !slot.take(Flag::READING) {
            slot.set(Flag::LEFT);
            return 0;
        }
        slot.clear(Flag::LEFT);
        let mut lent = Lent::new(ops, token, slot, slot.owner(token), bytes);
        self.poll_owner(&mut lent);
        count_taken(slot, bytes, lent.input)
    }
}

/// Records if `left` of the offered bytes is not taken. Returns the number of those that are.
#[inline]
fn count_taken(slot: &TaskSlot, bytes: &[u8], left: &[u8]) -> usize {
    if !left.is_empty() {
        slot.set(Flag::LEFT);
    }
    bytes.len() - left.len()
}

impl<'h, 'p, F, Fut> AsyncService<'h, F, &'p mut [Option<Fut>]>
where
    F: Fn(Conn<'h>) -> Fut,
    Fut: Future<Output = ()>,
{
    /// Makes a service that runs the future of `start` for each connection, in the memory
    /// `futures`, which has a place for each slot of the loop.
    ///
    /// # Panics
    ///
    /// If there are not as many places as the table has slots.
    #[must_use]
    pub fn new(table: &'h TaskTable<'h>, futures: Pin<&'p mut [Option<Fut>]>, start: F) -> Self {
        Self::with_futures(table, futures, start)
    }
}

#[cfg(feature = "alloc")]
impl<F, Fut> AsyncService<'static, F, alloc::boxed::Box<[Option<Fut>]>>
where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    /// Makes a service that runs the future of `start` for each connection, in memory from the
    /// heap for a loop of `slots` slots; a larger loop is refused when its server begins to listen.
    /// Nothing is taken from the heap later. Tasks can wake each other.
    ///
    /// The slots and their wake flags stay on the heap for good, since wakers may outlive the
    /// service: 26 bytes a slot.
    #[must_use]
    pub fn boxed(slots: usize, start: F) -> Self {
        Self::boxed_with_wakes(slots, Wakes::leaked(slots), start)
    }

    /// Makes a service as [`boxed`](Self::boxed) does, with wake flags that notify the loop when
    /// another thread wakes a task.
    ///
    /// # Panics
    ///
    /// If there are fewer wake flags than slots.
    #[must_use]
    pub fn boxed_with_wakes(slots: usize, wakes: Wakes, start: F) -> Self {
        use alloc::boxed::Box;
        use core::iter::repeat_with;

        let table: Box<[TaskSlot]> = repeat_with(TaskSlot::new).take(slots).collect();
        let table = Box::leak(Box::new(TaskTable::new(Box::leak(table), wakes)));
        let futures: Box<[Option<Fut>]> = repeat_with(|| None).take(slots).collect();
        Self::with_futures(table, Box::into_pin(futures), start)
    }
}

/// A task that is polled. It is dropped only if that ends in a panic: then the connection of the
/// task is reset, and the task is not polled again.
struct Turn<'t, 'l> {
    table: &'t TaskTable<'t>,
    lent: &'t mut Lent<'l>,
}

impl Turn<'_, '_> {
    /// Ends the task, and its connection.
    #[cold]
    fn end(&mut self, ending: Ending) {
        let task = self.lent.task;
        if let Some(slot) = self.table.slots.get(task.index()) {
            slot.clear(Flag::TASK);
        }
        self.lent.ops.close(task, ending);
    }
}

impl Drop for Turn<'_, '_> {
    #[cold]
    fn drop(&mut self) {
        self.end(Ending::Aborted);
        if self.table.wakes.end_poll() {
            schedule_woken(self.table, self.lent.ops);
        }
    }
}

/// Closes a connection that was given up while its task was not polled.
fn obey(slot: &TaskSlot, lent: &mut Lent<'_>) {
    if slot.take(Flag::TO_CLOSE) {
        lent.ops.close(lent.token, Ending::Flushed);
    }
    if slot.take(Flag::TO_ABORT) {
        lent.ops.close(lent.token, Ending::Aborted);
    }
}

/// Schedules the tasks that were woken, each for a callback of its own.
#[cold]
pub(crate) fn schedule_woken(table: &TaskTable<'_>, ops: &mut dyn PeerOps) {
    let now = ops.now().max(Instant::from_nanos(1));
    table.wakes.drain(|index| {
        if let Some(slot) = table.slots.get(index).filter(|slot| slot.has(Flag::TASK)) {
            slot.deadline.set(now);
            ops.set_timer(table.token(index), Some(now));
        }
    });
}

impl<'h, F, Fut, P, const CONNECTS: bool> Service for AsyncService<'h, F, P, CONNECTS>
where
    F: Fn(Conn<'h>) -> Fut,
    Fut: Future<Output = ()>,
    P: DerefMut<Target = [Option<Fut>]>,
{
    type Session = ();

    const CONNECTS: bool = CONNECTS;
    const LENDS_PEER: bool = true;

    fn slots_max(&self) -> usize {
        self.table.slots.len()
    }

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        let token = peer.token();
        let index = token.index();
        let slot = &self.table.slots[index];
        if self.table.find(token).is_none() || !slot.take(Flag::CONNECTING) {
            slot.open(token, token, Flag::READING);
            let future = (self.start)(Conn::new(self.table, token));
            if let Some(mut place) = Self::place(&mut self.futures, index) {
                place.set(Some(future));
                slot.set(Flag::TASK);
            }
        }
        self.poll_for(peer, false, false);
    }

    #[inline]
    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let token = peer.token();
        // A slot with a task that waits for these bytes is that of this connection.
        let slot = self.table.slots.get(token.index()).filter(|slot| slot.offer());
        let Some(slot) = slot else { return self.received_aside(token, peer.ops(), bytes) };
        let mut lent = Lent::new(peer.ops(), token, slot, token, bytes);
        self.poll(&mut lent);
        count_taken(slot, bytes, lent.input)
    }

    fn writable(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        self.poll_for(peer, true, false);
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        if let Some(slot) = self.table.find(peer.token()) {
            slot.set(if untaken > 0 { Flag::ENDING } else { Flag::ENDED });
        }
        self.poll_for(peer, false, false);
    }

    fn timer_expired(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        let mut has_looked = true;
        if let Some(slot) = self.table.find(peer.token()) {
            slot.deadline.set(Instant::ZERO);
            // A look that has found something may have left more.
            has_looked = !slot.take(Flag::OFFERED);
        }
        self.poll_for(peer, true, has_looked);
    }

    fn draining(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        if let Some(slot) = self.table.find(peer.token()) {
            slot.set(Flag::DRAINING);
        }
        self.poll_for(peer, false, false);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), reason: CloseReason) {
        let token = peer.token();
        let Some(slot) = self.table.find(token) else { return };
        let owner = slot.owner(token);
        let is_own = owner == token;
        let mut lent = Lent::new(peer.ops(), Lent::NONE, slot, owner, &[]);
        slot.generation.set(0);
        slot.deadline.set(Instant::ZERO);
        slot.reason.set(reason as u8);
        if is_own || self.table.find(owner).is_some() {
            self.poll_if_any(&mut lent);
        }
        if let Some(task) = slot.stranger.replace(0).checked_sub(1) {
            self.table.wakes.waker(task as usize).wake_by_ref();
        }
        if is_own {
            slot.clear(Flag::TASK);
            let mut lent = Lent::new(peer.ops(), Lent::NONE, slot, owner, &[]);
            if let Some(mut place) = Self::place(&mut self.futures, owner.index()) {
                let _loan = self.table.desk.lend(&mut lent);
                place.set(None);
            }
        }
        if self.table.wakes.is_any_woken() {
            schedule_woken(self.table, peer.ops());
        }
    }
}

impl<F, P: DerefMut, const CONNECTS: bool> fmt::Debug for AsyncService<'_, F, P, CONNECTS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AsyncService").field("table", self.table).finish_non_exhaustive()
    }
}
