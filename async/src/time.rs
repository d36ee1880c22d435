//! Waiting for a time.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use pin_project_lite::pin_project;
use selkie_core::Instant;

use crate::error::Elapsed;
use crate::lent::Lent;
use crate::table::TaskTable;

/// The clock of the tasks. A copy of it may be used in any task of the same service.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'h> {
    table: &'h TaskTable<'h>,
}

impl<'h> Timer<'h> {
    pub(crate) const fn new(table: &'h TaskTable<'h>) -> Self {
        Self { table }
    }

    /// Returns the time; `None` while no task is polled.
    #[must_use]
    pub fn now(&self) -> Option<Instant> {
        self.table.desk.with(|lent| lent.ops.now())
    }

    /// Waits for `duration`, counted from this call.
    ///
    /// Dropping it early cancels nothing but the wait.
    pub fn sleep(self, duration: Duration) -> Sleep<'h> {
        match self.now() {
            Some(now) => self.sleep_until(now + duration),
            None => Sleep { timer: self, until: Until::After(duration) },
        }
    }

    /// Waits until `deadline`.
    pub const fn sleep_until(self, deadline: Instant) -> Sleep<'h> {
        Sleep { timer: self, until: Until::New(deadline) }
    }

    /// Lets the other tasks have a turn, and goes on in the next one.
    pub fn yield_now(self) -> impl Future<Output = ()> {
        let mut has_waited = false;
        core::future::poll_fn(move |context| {
            if core::mem::replace(&mut has_waited, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Runs `future` for at most `duration`, counted from this call.
    ///
    /// A future that is ready is preferred to a time that has passed. When the time has passed the
    /// future is dropped with this one: that is how it is cancelled.
    pub fn timeout<F: Future>(self, duration: Duration, future: F) -> Timeout<'h, F> {
        Timeout { sleep: self.sleep(duration), future }
    }
}

/// When a [`Sleep`] ends.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// At a time that is not looked at before the sleep has waited once.
    New(Instant),
    At(Instant),
    /// So long after it is polled first: it was made while no task was polled.
    After(Duration),
}

/// A future that is ready at a certain time. Made by [`Timer::sleep`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Sleep<'h> {
    timer: Timer<'h>,
    until: Until,
}

impl Sleep<'_> {
    /// Decides if the time has passed, and otherwise has the task polled at that time.
    fn poll_lent(&mut self, lent: &mut Lent<'_>) -> Poll<()> {
        let deadline = match self.until {
            Until::After(duration) => lent.ops.now() + duration,
            Until::At(deadline) if deadline <= lent.ops.now() => return Poll::Ready(()),
            Until::New(deadline) | Until::At(deadline) => deadline,
        };
        self.until = Until::At(deadline);
        let table = self.timer.table;
        let Some(slot) = table.slots.get(lent.task.index()) else { return Poll::Pending };
        let earlier = slot.deadline.get();
        if earlier == Instant::ZERO || deadline < earlier {
            // A deadline of zero is none, and the one after it is as good.
            let deadline = deadline.max(Instant::from_nanos(1));
            slot.deadline.set(deadline);
            lent.ops.set_timer(lent.task, Some(deadline));
        }
        Poll::Pending
    }
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        let table = self.timer.table;
        table.desk.with(|lent| self.poll_lent(lent)).unwrap_or(Poll::Pending)
    }
}

pin_project! {
    /// A future that ends another one at a certain time. Made by [`Timer::timeout`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Timeout<'h, F> {
        sleep: Sleep<'h>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Timeout<'_, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed))
    }
}
