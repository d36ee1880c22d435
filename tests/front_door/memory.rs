//! The bytes that `Builder::memory` states are those that are taken.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::{Command, Stdio};

use selkie::peers::Peers;
use selkie::platform::Backend;
use selkie::shards::{ListeningShards, Mail, Post, ShardService, Shards};
use selkie::{Builder, Peer, Service};
use selkie_services::{Echo, Http};

thread_local! {
    /// The bytes that this thread has taken and not given back.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    /// The most bytes that it had at once.
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count of the bytes.
struct Counting;

/// Adds to the count of this thread.
fn count(size: usize) {
    // A thread that is ending has no count any more.
    let _ = TAKEN.try_with(|taken| {
        taken.set(taken.get().wrapping_add(size));
        // What another thread has taken and this one gives back makes it wrap.
        let now = taken.get().cast_signed().max(0).cast_unsigned();
        MOST.with(|most| most.set(most.get().max(now)));
    });
}

// SAFETY: every method passes its arguments on unchanged to the system's allocator, which keeps the
// contract; counting touches only a thread-local number that needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size().wrapping_neg());
        // SAFETY: `memory` is from this allocator, so from the system's, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.wrapping_sub(layout.size()));
        // SAFETY: `memory` is from this allocator, so from the system's, with this layout.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the bytes that a server takes until it serves.
fn taken<T>(settings: Builder) -> usize {
    let before = TAKEN.get();
    let address = ([127, 0, 0, 1], 0).into();
    let ready = settings.listen(address).and_then(selkie::front_door::Listening::reserve::<T>);
    let after = TAKEN.get();
    drop(ready.expect("a free port, and memory"));
    after - before
}

#[test]
fn memory_is_what_is_taken_on_every_backend() {
    // The list of listeners, the waker and the handle, which depend on no setting.
    const BESIDE_TABLES: usize = 512;

    for &backend in Backend::available() {
        for settings in [
            Builder::new(),
            Builder::new().connections(1).buffer_size(100).events(3),
            Builder::new().connections(200).buffers_each(1),
        ] {
            let settings = settings.backend(backend);
            let echo = taken::<()>(settings.clone()) - settings.memory::<Echo>();
            assert!(echo <= BESIDE_TABLES, "{backend}: {echo} bytes more than stated");
            let http = taken::<selkie_services::HttpSession>(settings.clone());
            assert_eq!(http - settings.memory::<Http>(), echo, "{backend}: sessions are counted");
        }
    }
}

/// Takes messages, and does nothing with them.
struct Reader(Mail<[u64; 8]>);

impl Service for Reader {
    type Session = ();

    fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

impl ShardService for Reader {
    type Message = [u64; 8];

    fn messages(&mut self, _: &mut Peers<'_>, messages: &mut dyn Iterator<Item = [u64; 8]>) {
        let _ = messages.count() + self.0.shards();
    }
}

#[test]
fn memory_of_shards_is_what_is_taken_with_their_mailboxes() {
    // The threads, the handles and the lists of shards.
    const BESIDE_TABLES: usize = 16 << 10;

    let shards = Shards::new(Builder::new().connections(100).buffer_size(512), 2);
    let taken = |run: &dyn Fn(ListeningShards)| {
        // What the threads of the shards give back is counted for them.
        let before = TAKEN.get();
        MOST.set(before);
        let listening = shards.clone().listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        // The memory is taken before the threads begin, and they end at once.
        listening.handle().stop();
        run(listening);
        MOST.get() - before
    };
    let plain = taken(&|listening| drop(listening.run(|_| Echo).expect("there is memory")));
    let stated = shards.memory::<Echo>();
    assert!((stated..stated + BESIDE_TABLES).contains(&plain), "{plain} of {stated}");

    let mail = taken(&|listening| {
        drop(listening.run_with_mail(1000, Reader).expect("there is memory"));
    });
    let stated = shards.memory_with_mail::<Reader>(1000);
    assert!((stated..stated + BESIDE_TABLES).contains(&mail), "{mail} of {stated}");
}

#[test]
fn a_server_that_says_it_listens_has_its_memory() {
    // So that the address space is used up before the server has all its buffers.
    let limited = "ulimit -v 40000; exec \"$0\" 127.0.0.1:0 --capacity 4096";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_echo")])
        .stdin(Stdio::null())
        .output()
        .expect("every unix has a shell");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "it says that it listens: {output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("no memory for 4096 connections"), "{error}");
}
