//! Nothing is allocated between the first wait and the end of the drain, on any backend and with
//! clients of every kind.

#![cfg(any(unix, windows))]

mod programs;
#[cfg(unix)]
mod sharded;
#[path = "../clients/upstream.rs"]
#[allow(dead_code, reason = "no test needs a silent server")]
mod upstream;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform, Transport, Wait, Wake};
use selkie::{CloseReason, Config, Counters, EventLoop, Server, Service};
use selkie_async::AsyncService;
use selkie_services::{Echo, tasks};
use socket2::SockRef;

thread_local! {
    /// The number of calls of the allocator on this thread since it began to count. Other threads,
    /// where the clients run, count nothing.
    static CALLS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The system's allocator, with a count of its calls.
struct Counting;

/// Counts one call, if this thread counts.
fn count() {
    // A thread that is ending has no count any more.
    let _ = CALLS.try_with(|calls| calls.set(calls.get().map(|count| count + 1)));
}

// SAFETY: every method passes its arguments on unchanged to the system's allocator, which keeps the
// contract; counting touches only a thread-local number that needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: `memory` is from this allocator, so from the system's, with this
        // layout.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `memory` is from this allocator, so from the system's, with this
        // layout.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CAPACITY: usize = 8;
/// Longer than a busy machine keeps a client from its next message.
const IDLE: Duration = Duration::from_secs(3);
/// The clients, their listener, and the waker.
const SLOTS: usize = CAPACITY + 2;

/// Waits until the server has closed the connection, with what is left unread thrown away.
fn wait_for_end(client: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while client.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the server listens");
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a connected socket takes the option");
    client
}

fn echo(client: &mut TcpStream, message: &[u8]) {
    client.write_all(message).expect("the server takes a message");
    let mut answer = vec![0; message.len()];
    client.read_exact(&mut answer).expect("the server answers");
    assert_eq!(answer, message);
}

/// Behaves in every way that clients do: talk, crowd, idle, reset, end one half, read nothing.
/// Returns the client that has output pending.
fn behave_in_every_way(address: SocketAddr) -> TcpStream {
    // The capacity and more: the rest waits, and gets its turn.
    let mut clients: Vec<TcpStream> = (0..CAPACITY + 4).map(|_| connect(address)).collect();
    for client in clients.iter_mut().take(CAPACITY) {
        echo(client, b"hello");
    }
    // Some reset, and those that waited have their turn.
    for client in clients.drain(..CAPACITY / 2) {
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .expect("a connected socket takes the option");
    }
    for client in clients.iter_mut().skip(CAPACITY / 2) {
        echo(client, &[2; 5000]);
    }
    // Some end their stream.
    for mut client in clients.drain(..CAPACITY / 2) {
        client.write_all(&vec![1; 100_000]).expect("the server takes it all or keeps it waiting");
        client.shutdown(Shutdown::Write).expect("the connection is still there");
        wait_for_end(&mut client);
    }
    // One idles out, the others leave.
    wait_for_end(&mut clients[0]);
    drop(clients);
    let mut stalled = connect(address);
    stalled
        .set_write_timeout(Some(Duration::from_millis(100)))
        .expect("a connected socket takes the option");
    while stalled.write(&vec![3; 65_536]).is_ok() {}
    stalled
}

/// Says that the clients are done when it is dropped.
struct Over<'a> {
    done: &'a AtomicBool,
    waker: selkie::platform::Waker,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Serves over a selector, and returns the number of allocator calls meanwhile.
fn calls_over_selector(backend: Backend, service: impl Service<Session = ()>) -> u64 {
    let slots = SLOTS;
    let selector = AnySelector::new(backend, slots).expect("the machine has this backend");
    let mut platform = Platform::new(selector, slots).expect("there is memory");
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = platform.listen(any, 128).expect("there is a free port");
    let address = platform.local_address(listener).expect("it is bound");
    calls_while_serving(platform, listener, address, service)
}

/// Checks that each kind of client was served.
fn check_counters<P: Transport>(counters: &Counters) {
    for reason in [CloseReason::Reset, CloseReason::Idle, CloseReason::Finished] {
        assert!(counters.closed_for(reason) > 0, "{reason}: {counters:?}");
    }
    assert!(counters.accept_pauses > 0, "{counters:?}");
    assert!(P::OWNS_BUFFERS || counters.blocks_max > 0, "{counters:?}");
}

/// Serves until the clients are done, then drains, and returns the number of allocator calls
/// meanwhile.
fn calls_while_serving<P>(
    platform: P,
    listener: P::Source,
    address: SocketAddr,
    service: impl Service<Session = ()>,
) -> u64
where
    P: Transport + Wait + Wake<Waker = selkie::platform::Waker>,
{
    let slots = SLOTS;
    let mut server_memory = HeapServer::new(slots, slots, 4096).unwrap();
    let config = Config::DEFAULT
        .connections_max(CAPACITY)
        .idle_timeout(Some(IDLE))
        .linger(Duration::from_millis(100));
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, 16).unwrap());
    let mut server = Server::new(service, config, server_memory.storage());
    server.listen(&mut event_loop.context(), listener).expect("there is room");
    let (_, waker) = event_loop.context().waker().expect("there is room");
    let done = AtomicBool::new(false);
    let calls = thread::scope(|scope| {
        let done = &done;
        let clients = scope.spawn(move || {
            // Also if a client complains: its panic is the result, not a server without end.
            let over = Over { done, waker };
            let stalled = behave_in_every_way(address);
            drop(over);
            drop(stalled);
        });
        CALLS.set(Some(0));
        while !event_loop.is_stopped() {
            event_loop.run_once(&mut server).expect("the platform can wait");
            if done.load(Ordering::Acquire) && !server.is_draining() {
                let deadline = event_loop.context().now() + Duration::from_secs(1);
                server.drain(&mut event_loop.context(), deadline);
            }
        }
        let calls = CALLS.take().expect("it was counted");
        clients.join().expect("the clients were served");
        calls
    });
    check_counters::<P>(server.counters());
    calls
}

#[test]
fn the_allocator_is_counted() {
    CALLS.set(Some(0));
    drop(Box::new(1));
    assert_eq!(CALLS.take(), Some(2));
}

/// Makes a test for each backend of the platform.
macro_rules! on_every_backend {
    ($($backend:ident $name:ident,)+) => {
        $(
            #[test]
            fn $name() {
                let calls = calls_over_selector(Backend::$backend, Echo);
                assert_eq!(calls, 0, "the server allocates while it runs");
            }
        )+
    };
}

selkie::for_each_backend!(on_every_backend);

#[cfg(target_os = "linux")]
#[test]
fn io_uring() {
    let storage = selkie::uring::UringStorage::leaked(SLOTS).expect("there is memory");
    let mut platform = selkie::uring::Uring::new(storage).expect("the system allows it");
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 128).expect("a free port");
    let address = platform.local_address(listener).expect("it is bound");
    let calls = calls_while_serving(platform, listener, address, Echo);
    assert_eq!(calls, 0, "the server allocates while it runs");
}

#[test]
fn tasks() {
    let service = AsyncService::boxed(SLOTS, tasks::echo);
    let calls = calls_over_selector(Backend::default(), service);
    assert_eq!(calls, 0, "a task allocates while it runs");
}
