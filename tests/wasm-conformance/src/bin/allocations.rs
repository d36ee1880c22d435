//! An echo server that counts the memory requests while it serves: there should be none.
//!
//! ```text
//! allocations [ADDRESS]
//! ```
//!
//! All that a client sends which begins with `sink` is taken, with one byte as the answer to each
//! read.
//!
//! It prints its address, serves until a client sends `count` and nothing else, and prints the
//! number of allocator calls since the first wait. On WASI 0.2, requests of the host by
//! `cabi_realloc` use the same allocator of the system, and grow the memory of the program if they
//! are not freed; so that growth is printed too.
//!
//! Before that it checks that the memory of dropped tables is cleared and used again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::{Config, EventLoop, Peer, Server, Service};

/// The system's allocator, with a count of its calls.
struct Counting {
    calls: AtomicU64,
}

impl Counting {
    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every method passes its arguments on unchanged to the system's allocator, which keeps the
// contract; counting needs no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.count();
        // SAFETY: `memory` is from this allocator, so from the system's, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.count();
        // SAFETY: `memory` is from this allocator, so from the system's, with this layout.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting { calls: AtomicU64::new(0) };

/// Number of clients served at once; more wait.
const CAPACITY: usize = 8;
/// The message that asks for the count.
const QUESTION: &[u8] = b"count";
/// The message that asks for acknowledgements in place of an echo.
const SINK: &[u8] = b"sink";

/// Sends back all that it receives, or acknowledges it, until it is asked for the count.
struct Echo {
    is_asked: Rc<Cell<bool>>,
}

impl Service for Echo {
    type Session = bool;

    fn received(&mut self, peer: &mut Peer<'_>, is_sink: &mut bool, bytes: &[u8]) -> usize {
        self.is_asked.set(self.is_asked.get() || bytes == QUESTION);
        *is_sink |= bytes.starts_with(SINK);
        if *is_sink {
            let _ = peer.send(b"!");
            return bytes.len();
        }
        peer.send(bytes).map_or(0, |()| bytes.len())
    }
}

/// The platform, its listener, and the address of that.
type Opened<P> = (P, selkie::platform::Socket, String);

#[cfg(target_env = "p1")]
fn open(
    slots: usize,
    address: &str,
) -> Result<Opened<selkie::platform::PollOneoff<'static>>, selkie::Error> {
    let mut platform =
        selkie::platform::PollOneoff::new(selkie::platform::PollOneoffStorage::leaked(slots));
    let listener = platform.preopened_listener()?;
    Ok((platform, listener, address.to_owned()))
}

#[cfg(target_env = "p2")]
fn open(
    slots: usize,
    address: &str,
) -> Result<Opened<selkie::platform::IoPoll<'static>>, selkie::Error> {
    let mut platform =
        selkie::platform::IoPoll::new(selkie::platform::IoPollStorage::leaked(slots))?;
    let address = address.parse().map_err(|_| selkie::ErrorKind::InvalidInput)?;
    let listener = platform.listen(address, 128)?;
    let address = platform.local_address(listener)?;
    Ok((platform, listener, address.to_string()))
}

/// Returns the number of pages of memory.
fn pages() -> usize {
    core::arch::wasm32::memory_size(0)
}

/// Checks that a table in the memory of a dropped one is all zero, and that the memory of the
/// program does not grow again.
fn check_dropped_tables() {
    const LEN: usize = 1 << 20;

    let mut pages_after = None;
    for _ in 0..3 {
        let mut table = selkie::memory::zeroed_slice::<u8>(LEN);
        assert!(table.iter().all(|&byte| byte == 0), "a new table is empty");
        table.fill(0xff);
        drop(table);
        assert_eq!(*pages_after.get_or_insert(pages()), pages(), "its pages are used again");
    }
    assert!(
        selkie::memory::ZeroedSlice::<u8>::try_new(usize::MAX).is_err(),
        "too much is an error"
    );
}

fn main() -> Result<(), selkie::Error> {
    check_dropped_tables();
    // A closed connection may keep its place until the host has sent its bytes, so there are some
    // to spare.
    let slots = 2 * CAPACITY;
    let (platform, listener, address) = open(slots, &std::env::args().nth(1).unwrap_or_default())?;
    let mut server_memory = HeapServer::new(slots, slots, 4096)?;
    let patience = Some(Duration::from_secs(3));
    let config =
        Config::DEFAULT.connections_max(CAPACITY).idle_timeout(patience).stall_timeout(patience);
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(slots, 16)?);
    let is_asked = Rc::new(Cell::new(false));
    let mut server =
        Server::new(Echo { is_asked: is_asked.clone() }, config, server_memory.storage());
    server.listen(&mut event_loop.context(), listener)?;
    println!("listening on {address}");

    let (calls_before, pages_before) = (ALLOCATOR.calls.load(Ordering::Relaxed), pages());
    // The bytes of those who have left are counted too.
    while !is_asked.get() || server.open_connections() > 1 {
        event_loop.run_once(&mut server)?;
    }
    let calls = ALLOCATOR.calls.load(Ordering::Relaxed) - calls_before;
    let counters = server.counters();
    println!(
        "{calls} calls of the allocator, {} pages more, {} clients, {} bytes",
        pages() - pages_before,
        counters.accepted,
        counters.bytes_in
    );
    Ok(())
}
