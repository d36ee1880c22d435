//! Wakes and messages that reach tasks from outside their loop.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform};
use selkie::{Config, EventLoop, Server, Service};
use selkie_async::{AsyncService, Conn, TaskServer, TaskTable, Wakes};

use crate::clients::PATIENCE;

const SLOTS: usize = 8;

/// Jobs for a thread, and their results for a task.
#[derive(Default)]
struct Jobs(Mutex<(VecDeque<u64>, Option<Waker>)>);

impl Jobs {
    /// Waits for a result.
    async fn result(&self) -> u64 {
        poll_fn(|context| {
            let mut jobs = self.0.lock().expect("no thread has panicked");
            let result = jobs.0.pop_front();
            if result.is_none() {
                jobs.1 = Some(context.waker().clone());
            }
            result.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Brings a result, from another thread.
    fn bring(&self, result: u64) {
        let mut jobs = self.0.lock().expect("no thread has panicked");
        jobs.0.push_back(result);
        let waker = jobs.1.take();
        drop(jobs);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

type Tasks<'h, S> =
    TaskServer<'h, Platform<AnySelector<'static>>, S, HeapServer<selkie::platform::Socket, ()>>;

/// Runs a loop with `service`, and what `begin` adds, until `client` is done.
fn serve<'t, S: Service<Session = ()>>(
    service: S,
    table: &'t TaskTable<'t>,
    begin: impl FnOnce(&mut Tasks<'t, S>, &mut EventLoop<Platform<AnySelector<'static>>, HeapLoop>),
    client: impl FnOnce(SocketAddr) + Send,
) {
    let mut platform =
        Platform::new(AnySelector::new(Backend::default(), SLOTS).expect("a selector"), SLOTS)
            .expect("memory");
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = platform.listen(any, 8).expect("a free port");
    let address = platform.local_address(listener).expect("it is bound");
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, 8).expect("memory"));
    let memory = HeapServer::new(SLOTS, 2 * SLOTS, 4096).expect("memory");
    let mut handler = TaskServer::new(Server::new(service, Config::DEFAULT, memory), table);
    handler.server_mut().listen(&mut event_loop.context(), listener).expect("there is room");
    begin(&mut handler, &mut event_loop);
    thread::scope(|scope| {
        let client = scope.spawn(move || client(address));
        while !client.is_finished() || handler.server().open_connections() > 0 {
            let deadline = event_loop.context().now() + Duration::from_millis(20);
            let token = event_loop.context().issue().expect("there is room");
            event_loop.context().set_timer(token, deadline).expect("it is live");
            event_loop.run_once(&mut handler).expect("the platform can wait");
            event_loop.context().release(token).expect("it is live");
        }
        client.join().expect("the client is content");
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a connected socket takes the option");
    client
}

#[test]
fn a_thread_wakes_a_task_through_the_waker_of_the_loop() {
    let jobs = Arc::new(Jobs::default());
    let notify: &'static OnceLock<selkie::platform::Waker> = Box::leak(Box::default());
    let wakes = Wakes::leaked_with_notify(SLOTS, || {
        if let Some(waker) = notify.get() {
            waker.wake();
        }
    });
    let task = |mut conn: Conn<'static>| {
        let jobs = Arc::clone(&jobs);
        async move {
            let mut number = [0; 8];
            while conn.read_exact(&mut number).await.is_ok() {
                let number = u64::from_be_bytes(number);
                let worker = Arc::clone(&jobs);
                thread::spawn(move || worker.bring(number * number));
                let result = jobs.result().await;
                if conn.write_all(&result.to_be_bytes()).await.is_err() {
                    return;
                }
            }
        }
    };
    let service = AsyncService::boxed_with_wakes(SLOTS, wakes, task);
    let table = service.table();
    serve(
        service,
        table,
        |handler, event_loop| {
            let of_loop = handler.waker(&mut event_loop.context()).expect("there is room");
            assert!(notify.set(of_loop).is_ok());
        },
        |address| {
            let mut client = connect(address);
            for number in 0..50_u64 {
                client.write_all(&number.to_be_bytes()).expect("the server takes a job");
                let mut result = [0; 8];
                client.read_exact(&mut result).expect("the server answers");
                assert_eq!(u64::from_be_bytes(result), number * number);
            }
        },
    );
}

#[test]
fn a_ticker_runs_beside_the_connections() {
    let ticks = Cell::new(0_u8);
    let task = |mut conn: Conn<'static>| {
        let ticks = &ticks;
        async move {
            while let Ok(1..) = conn.read(&mut [0; 8]).await {
                if conn.write_all(&[ticks.get()]).await.is_err() {
                    return;
                }
            }
        }
    };
    let service = AsyncService::boxed(SLOTS, task);
    let table = service.table();
    let timer = table.timer();
    let ticker = pin!(async {
        for _ in 0..5 {
            timer.sleep(Duration::from_millis(5)).await;
            ticks.set(ticks.get() + 1);
        }
    });
    serve(
        service,
        table,
        |handler, event_loop| {
            handler.run_beside(&mut event_loop.context(), ticker).expect("there is room");
        },
        |address| {
            let mut client = connect(address);
            let mut answer = [0];
            while answer[0] < 5 {
                client.write_all(b"?").expect("the server takes a question");
                client.read_exact(&mut answer).expect("the server answers");
            }
        },
    );
    assert_eq!(ticks.get(), 5);
}
