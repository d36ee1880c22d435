//! A server of tasks together with what reaches it from outside: wakes of other threads and of
//! interrupts, and a task that serves no connection.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::Context as TaskContext;

use selkie_core::memory::ServerMemory;
use selkie_core::platform::{Transport, Wake};
use selkie_core::{Context, Error, Event, Handler, Instant, Server, Service, Token};

use crate::lent::Lent;
use crate::service::schedule_woken;
use crate::table::{Flag, TaskTable};

/// A task that serves no connection: a ticker, a console, or several at once, combined by a `join`.
type Background<'h> = Pin<&'h mut (dyn Future<Output = ()> + 'h)>;

/// A [`Handler`] around a server whose service runs tasks.
///
/// A server by itself is enough for tasks that wake only each other. This one also polls tasks that
/// another thread or an interrupt has woken, and runs a task of its own beside those of the
/// connections.
///
/// ```no_run
/// use std::pin::pin;
/// use std::time::Duration;
///
/// use selkie_async::{AsyncService, TaskServer};
/// # use selkie_async::Conn;
/// # use selkie_core::{Context, Server, Error, memory::ServerMemory, platform::Transport};
/// # async fn echo(_: Conn<'_>) {}
/// # fn example<P: Transport, M: ServerMemory<P::Source, ()>>(
/// #     context: &mut Context<'_, P>, memory: M, config: selkie_core::Config,
/// # ) -> Result<(), Error> {
///
/// let service = AsyncService::boxed(1024, echo);
/// let table = service.table();
/// let timer = table.timer();
/// let ticker = pin!(async move {
///     loop {
///         timer.sleep(Duration::from_secs(1)).await;
///     }
/// });
/// let mut handler = TaskServer::new(Server::new(service, config, memory), table);
/// handler.run_beside(context, ticker)?;
/// # Ok(())
/// # }
/// ```
pub struct TaskServer<'h, P: Transport, S: Service, M> {
    server: Server<P, S, M>,
    table: &'h TaskTable<'h>,
    waker: Option<Token>,
    background: Option<Background<'h>>,
    /// The token of the background task, and the deadline that the loop knows.
    token: Token,
    deadline: Instant,
}

impl<'h, P: Transport, S: Service, M: ServerMemory<P::Source, S::Session>> TaskServer<'h, P, S, M> {
    /// Makes a handler around `server`, whose service has its tasks in `table`.
    #[must_use]
    pub const fn new(server: Server<P, S, M>, table: &'h TaskTable<'h>) -> Self {
        Self {
            server,
            table,
            waker: None,
            background: None,
            token: Lent::NONE,
            deadline: Instant::ZERO,
        }
    }

    /// Returns the server.
    #[must_use]
    pub const fn server(&self) -> &Server<P, S, M> {
        &self.server
    }

    /// Returns the server, to listen and to drain.
    #[must_use]
    pub const fn server_mut(&mut self) -> &mut Server<P, S, M> {
        &mut self.server
    }

    /// Returns the server, and drops the background task.
    #[must_use]
    pub fn into_server(self) -> Server<P, S, M> {
        self.server
    }

    /// Makes the waker of the loop, for the function that wake flags
    /// [notify](crate::WakeFlags::with_notify). It takes one slot.
    ///
    /// # Errors
    ///
    /// As [`Wake::waker`], and [`Full`](selkie_core::ErrorKind::Full).
    pub fn waker(&mut self, context: &mut Context<'_, P>) -> Result<P::Waker, Error>
    where
        P: Wake,
    {
        let (token, waker) = context.waker()?;
        self.waker = Some(token);
        Ok(waker)
    }

    /// Runs `future` beside the tasks of the connections, in place of an earlier one. It takes one
    /// slot. It is polled at once.
    ///
    /// # Errors
    ///
    /// [`Full`](selkie_core::ErrorKind::Full).
    ///
    /// # Panics
    ///
    /// If the table has fewer slots than the loop.
    pub fn run_beside(
        &mut self,
        context: &mut Context<'_, P>,
        future: Background<'h>,
    ) -> Result<(), Error> {
        if self.token == Lent::NONE {
            self.token = context.issue()?;
        }
        self.table.slots[self.token.index()].open(self.token, self.token, Flag::TASK);
        self.background = Some(future);
        self.poll_background(context);
        self.update_deadline(context);
        Ok(())
    }

    /// Returns whether the background task has ended, or there is none.
    #[must_use]
    pub const fn is_background_done(&self) -> bool {
        self.background.is_none()
    }

    /// Schedules the tasks that were woken. The loop's waker has it called; a main loop that is
    /// woken by an interrupt calls it when [`Wakes::is_any_woken`](crate::Wakes::is_any_woken).
    pub fn schedule_woken(&mut self, context: &mut Context<'_, P>) {
        if self.table.wakes.is_any_woken() {
            let table = self.table;
            self.server.with_all(context, |_, peers| {
                schedule_woken(table, peers.peer(Lent::NONE).ops());
            });
        }
        self.update_deadline(context);
    }

    /// Polls the task that serves no connection.
    fn poll_background(&mut self, context: &mut Context<'_, P>) {
        let (table, token, index) = (self.table, self.token, self.token.index());
        // It is not there while it is polled: one that panics is not polled again.
        let Some(mut future) = self.background.take() else { return };
        let slot = &table.slots[index];
        slot.deadline.set(Instant::ZERO);
        self.deadline = Instant::ZERO;
        let has_ended = self.server.with_all(context, |_, peers| {
            let mut peer = peers.peer(Lent::NONE);
            let mut lent = Lent::new(peer.ops(), Lent::NONE, slot, token, &[]);
            let waker = table.wakes.waker(index);
            table.wakes.begin_poll();
            let loan = table.desk.lend(&mut lent);
            let has_ended = future.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_ready();
            drop(loan);
            if table.wakes.end_poll() {
                schedule_woken(table, lent.ops);
            }
            has_ended
        });
        if has_ended {
            slot.clear(Flag::TASK);
        } else {
            self.background = Some(future);
        }
    }

    /// Sets the deadline at which the background task is polled next.
    fn update_deadline(&mut self, context: &mut Context<'_, P>) {
        if self.background.is_none() {
            return;
        }
        let deadline = self.table.slots[self.token.index()].deadline.get();
        if deadline != self.deadline && deadline != Instant::ZERO {
            self.deadline = deadline;
            let _ = context.set_timer(self.token, deadline);
        }
    }
}

impl<P, S, M> Handler<P> for TaskServer<'_, P, S, M>
where
    P: Transport,
    S: Service,
    M: ServerMemory<P::Source, S::Session>,
{
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        if self.waker == Some(event.token) {
            return self.schedule_woken(context);
        }
        self.server.ready(context, event);
        self.update_deadline(context);
    }

    fn expired(&mut self, context: &mut Context<'_, P>, token: Token) {
        if token == self.token {
            self.poll_background(context);
        } else {
            self.server.expired(context, token);
        }
        self.update_deadline(context);
    }
}

impl<P: Transport, S: Service + fmt::Debug, M> fmt::Debug for TaskServer<'_, P, S, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TaskServer").field("server", &self.server).finish_non_exhaustive()
    }
}
