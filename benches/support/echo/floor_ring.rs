//! The floor over `io_uring`: the echo server that a careful programmer writes on a ring by hand.
//! Connections receive into buffers of one ring until they end, each buffer is sent from where it
//! lies, and goes back to the kernel when it is sent. Nothing is copied, and nothing limits the
//! buffers that one connection takes.

use std::net::TcpListener;
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::squeue::Entry;
use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode};

/// Entries of the queue of submissions, as ours has.
const SUBMISSIONS: u32 = 256;
const COMPLETIONS: u32 = 4096;
/// Buffers for received bytes, and their size.
const BUFFERS: u16 = 4096;
const BUFFER: usize = 2048;
/// The group of the buffers.
const GROUP: u16 = 0;
/// The kinds of an operation, above the descriptor in its user data.
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
/// No buffer.
const NONE: u16 = u16::MAX;

/// The buffers that a connection has to send: the first is in the kernel's hands.
#[derive(Clone, Copy)]
struct Connection {
    first: u16,
    last: u16,
}

/// A buffer with received bytes.
#[derive(Clone, Copy)]
struct Buffer {
    next: u16,
    sent: u32,
    length: u32,
}

/// A page, at which a ring of buffers begins.
#[repr(align(4096))]
#[derive(Clone, Copy)]
struct Page([u8; 4096]);

struct Server {
    ring: IoUring,
    bytes: Vec<u8>,
    buffers: Vec<Buffer>,
    connections: Vec<Connection>,
    entries: *mut BufRingEntry,
    tail: u16,
}

pub(crate) fn serve(listener: &TcpListener, connections: usize) {
    // They come one by one, and all before the first message.
    let accepted: Vec<_> = (0..connections)
        .map(|_| {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_nodelay(true).expect("a socket option");
            stream.into_raw_fd()
        })
        .collect();
    let mut server = Server::new(accepted.iter().copied().max().unwrap_or_default());
    for &fd in &accepted {
        server.receive(fd);
    }
    let mut closed = 0;
    while closed < connections {
        server.ring.submit_and_wait(1).expect("the ring takes submissions");
        closed += server.take_completions();
    }
}

impl Server {
    fn new(fd_max: RawFd) -> Self {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)
            .expect("the system allows it");
        let pages = usize::from(BUFFERS) * size_of::<BufRingEntry>() / size_of::<Page>();
        let entries = vec![Page([0; 4096]); pages].leak().as_mut_ptr();
        // SAFETY: the memory stays, is aligned to a page, and has so many entries.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0) }
            .expect("the system takes a ring of buffers");
        let none = Connection { first: NONE, last: NONE };
        let empty = Buffer { next: NONE, sent: 0, length: 0 };
        let mut server = Self {
            ring,
            bytes: vec![0; usize::from(BUFFERS) * BUFFER],
            buffers: vec![empty; usize::from(BUFFERS)],
            connections: vec![none; usize::try_from(fd_max).expect("a descriptor") + 1],
            entries: entries.cast(),
            tail: 0,
        };
        (0..BUFFERS).for_each(|buffer| server.provide(buffer));
        server
    }

    /// Gives a buffer to the kernel.
    fn provide(&mut self, buffer: u16) {
        let start = self.start(buffer);
        // SAFETY: the place is within the ring, and the kernel does not read it before the tail.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & (BUFFERS - 1)));
            entry.set_addr(start as u64);
            entry.set_len(u32::try_from(BUFFER).expect("a small size"));
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the ring.
        let tail = unsafe { &*BufRingEntry::tail(self.entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    fn start(&mut self, buffer: u16) -> *mut u8 {
        self.bytes[usize::from(buffer) * BUFFER..].as_mut_ptr()
    }

    /// Adds a submission. A full queue is handed over first.
    fn push(&mut self, entry: &Entry) {
        // SAFETY: what the entry names stays until the operation is completed.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.ring.submit().expect("the ring takes submissions");
        }
    }

    /// Receives until the connection ends.
    fn receive(&mut self, fd: RawFd) {
        let entry = opcode::RecvMulti::new(Fd(fd), GROUP).build();
        self.push(&entry.user_data(RECEIVE | u64::from(fd.cast_unsigned())));
    }

    /// Sends the first buffer of a connection.
    fn send(&mut self, fd: u32) {
        let buffer = self.connections[fd as usize].first;
        let Buffer { sent, length, .. } = self.buffers[usize::from(buffer)];
        let start = self.start(buffer).wrapping_add(sent as usize);
        let entry = opcode::Send::new(Fd(fd.cast_signed()), start, length - sent)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.push(&entry.user_data(SEND | u64::from(fd)));
    }

    /// Takes all that the kernel has done, and returns the number of connections that have ended.
    fn take_completions(&mut self) -> usize {
        let mut closed = 0;
        loop {
            let Some(completion) = self.ring.completion().next() else { return closed };
            #[expect(clippy::cast_possible_truncation, reason = "a descriptor has 32 bits")]
            let (fd, flags) = (completion.user_data() as u32, completion.flags());
            let result = completion.result();
            if completion.user_data() & SEND != 0 {
                self.sent(fd, result);
                continue;
            }
            match (result, cqueue::buffer_select(flags)) {
                (1.., Some(buffer)) => self.received(fd, buffer, result.unsigned_abs()),
                (code, _) if code == -libc::ENOBUFS => {}
                _ => {
                    closed += 1;
                    continue;
                }
            }
            if !cqueue::more(flags) {
                self.receive(fd.cast_signed());
            }
        }
    }

    fn received(&mut self, fd: u32, buffer: u16, length: u32) {
        self.buffers[usize::from(buffer)] = Buffer { next: NONE, sent: 0, length };
        let connection = &mut self.connections[fd as usize];
        let last = std::mem::replace(&mut connection.last, buffer);
        if last == NONE {
            connection.first = buffer;
            self.send(fd);
        } else {
            self.buffers[usize::from(last)].next = buffer;
        }
    }

    fn sent(&mut self, fd: u32, result: i32) {
        let connection = &mut self.connections[fd as usize];
        let buffer = connection.first;
        let entry = &mut self.buffers[usize::from(buffer)];
        entry.sent += u32::try_from(result).unwrap_or(entry.length - entry.sent);
        if entry.sent == entry.length {
            connection.first = entry.next;
            if entry.next == NONE {
                connection.last = NONE;
            }
            self.provide(buffer);
        }
        if self.connections[fd as usize].first != NONE {
            self.send(fd);
        }
    }
}
