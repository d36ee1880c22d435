//! embassy's executor on the host: a task for each connection in its static pool, woken by a small
//! loop over epoll, since it has none of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::task::{Poll, Waker};

use embassy_executor::Executor;
use embassy_executor::raw::TaskStorage;

use crate::support::epoll::{self, Epoll};

/// The size of a task's buffer, that of our own task.
const BUFFER: usize = 256;
/// The tasks of the pool, whose number is part of the program.
const TASKS: usize = 64;

/// The wakers of the tasks that wait for readable bytes.
struct Reactor {
    epoll: Epoll,
    wakers: Box<[RefCell<Option<Waker>>]>,
    closed: Cell<usize>,
}

impl Reactor {
    /// Waits for events, until a task is woken.
    fn wait(&self, events: &mut [libc::epoll_event]) {
        let mut is_any_woken = false;
        while !is_any_woken {
            for event in self.epoll.wait(events) {
                #[expect(clippy::cast_possible_truncation, reason = "it was an index before")]
                let waker = self.wakers[event.u64 as usize].borrow_mut().take();
                is_any_woken |= waker.map(Waker::wake).is_some();
            }
        }
    }
}

/// A connection, and its place in the reactor.
struct Connection {
    stream: TcpStream,
    index: usize,
    reactor: &'static Reactor,
}

impl Connection {
    /// Calls `act` until it does not have to wait, and returns what that call returned.
    async fn when_ready<T>(
        &mut self,
        mut act: impl FnMut(&mut TcpStream) -> Result<T>,
    ) -> Result<T> {
        poll_fn(|context| match act(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut waker = self.reactor.wakers[self.index].borrow_mut();
                waker.get_or_insert_with(|| context.waker().clone());
                Poll::Pending
            }
            outcome => Poll::Ready(outcome),
        })
        .await
    }
}

/// Sends back what it receives.
async fn echo(mut connection: Connection) {
    let mut buffer = [0; BUFFER];
    loop {
        let read = connection.when_ready(|stream| stream.read(&mut buffer)).await;
        let Ok(mut count @ 1..) = read else { break };
        let mut first = 0;
        while first < count {
            let bytes = &buffer[first..count];
            match connection.when_ready(|stream| stream.write(bytes)).await {
                Ok(sent) => first += sent,
                Err(_) => count = 0,
            }
        }
    }
    let closed = &connection.reactor.closed;
    closed.set(closed.get() + 1);
}

#[embassy_executor::task(pool_size = TASKS)]
async fn run(connection: Connection) {
    echo(connection).await;
}

/// Returns the bytes of one place in the pool.
pub(crate) const fn task_bytes() -> usize {
    const fn of<F: Fn(Connection) -> Fut, Fut: Future + 'static>(_: &F) -> usize {
        size_of::<TaskStorage<Fut>>()
    }
    of(&echo)
}

pub(crate) fn serve(listener: &TcpListener, connections: usize) {
    assert!(connections <= TASKS, "the pool has {TASKS} tasks for {connections} connections");
    let wakers = (0..connections).map(|_| RefCell::new(None)).collect();
    let reactor: &'static Reactor =
        Box::leak(Box::new(Reactor { epoll: Epoll::new(), wakers, closed: Cell::new(0) }));
    let executor = Box::leak(Box::new(Executor::new()));
    let mut events = epoll::batch();
    let start = |spawner: embassy_executor::Spawner| {
        for index in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_nonblocking(true).expect("a socket option");
            stream.set_nodelay(true).expect("a socket option");
            let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET;
            let fd = stream.as_raw_fd();
            reactor.epoll.control(libc::EPOLL_CTL_ADD, fd, events, index as u64);
            spawner.spawn(run(Connection { stream, index, reactor }).expect("a task of the pool"));
        }
    };
    executor.run_until(start, || {
        let is_done = reactor.closed.get() == connections;
        if !is_done {
            reactor.wait(&mut events);
        }
        is_done
    });
}
