//! The operations that the model has, and how each is completed.

use std::ffi::c_int;
use std::os::fd::IntoRawFd;

use rustix::io_uring::{IoringAcceptFlags, IoringOp, IoringRecvFlags, io_uring_sqe};

use super::Faults;
use super::kernel::{Completed, State};
use super::world::byte;
use crate::uring::memory::BUFFER;

/// An operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) entry: Submission,
    /// The connection that its descriptor was when it was handed over.
    pub(super) peer: Option<usize>,
    pub(super) is_cancelled: bool,
}

/// The parts of a submission that the model reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submission {
    pub(super) code: IoringOp,
    pub(super) fd: c_int,
    pub(super) user_data: u64,
    pub(super) address: u64,
    pub(super) length: u32,
    pub(super) is_multishot: bool,
    /// The group of buffers that is received into.
    pub(super) group: u16,
}

impl Submission {
    pub(super) fn of(entry: &io_uring_sqe) -> Self {
        // SAFETY: each part is an integer in the kernel's eyes, whichever was written.
        unsafe {
            Self {
                code: entry.opcode,
                fd: entry.fd,
                user_data: entry.user_data.u64_(),
                address: entry.addr_or_splice_off_in.user_data.u64_(),
                length: entry.len.len,
                is_multishot: match entry.opcode {
                    IoringOp::Accept => {
                        entry.ioprio.accept_flags.contains(IoringAcceptFlags::MULTISHOT)
                    }
                    IoringOp::Recv => entry.ioprio.recv_flags.contains(IoringRecvFlags::MULTISHOT),
                    _ => false,
                },
                group: entry.buf.buf_group,
            }
        }
    }
}

/// Set in the flags of a completion whose operation goes on.
const MORE: u32 = 2;
/// Set in the flags of a completion if there is more to receive.
const NOT_EMPTY: u32 = 4;

impl State {
    /// Completes an operation if it can be. Returns true if it is over.
    pub(super) fn complete(&mut self, flight: Flight) -> bool {
        let is_raced = self.has(Faults::LATE) && self.random.chance(3);
        if flight.is_cancelled && !is_raced {
            return self.finish(flight, -libc::ECANCELED, 0);
        }
        match flight.entry.code {
            IoringOp::Recv => self.receive(flight),
            IoringOp::Accept => self.accept(flight),
            IoringOp::Send => self.send(flight),
            IoringOp::Shutdown => self.shut_down(flight),
            IoringOp::Connect => self.connect(flight),
            IoringOp::PollAdd => self.poll(flight),
            IoringOp::Timeout => self.expire(flight),
            IoringOp::AsyncCancel => self.cancel(flight),
            other => panic!("an operation that the model does not know: {other:?}"),
        }
    }

    fn finish(&mut self, flight: Flight, result: i32, flags: u32) -> bool {
        self.done.push_back(Completed { user_data: flight.entry.user_data, result, flags });
        true
    }

    fn interrupt(&mut self, flight: Flight) -> bool {
        let code = [libc::EINTR, libc::EAGAIN][self.random.below(2)];
        self.finish(flight, -code, 0)
    }

    fn receive(&mut self, flight: Flight) -> bool {
        let id = flight.peer.expect("a connection is received from");
        let group = usize::from(flight.entry.group);
        if self.has(Faults::FAILURES) && self.random.chance(20) {
            return self.interrupt(flight);
        }
        let peer = &self.world.peers[id];
        let available = peer.sent - peer.given;
        if peer.is_reset {
            return self.finish(flight, -libc::ECONNRESET, 0);
        }
        if available == 0 {
            if !peer.has_ended {
                return false;
            }
            // Some versions name a buffer at the end, which is the platform's then.
            let names_buffer = id.is_multiple_of(2);
            let buffer = if names_buffer { self.take_buffer(group) } else { None };
            let flags = buffer.map_or(0, |(number, _)| buffer_flags(number));
            return self.finish(flight, 0, flags);
        }
        let Some((number, address)) = self.take_buffer(group) else {
            return self.finish(flight, -libc::ENOBUFS, 0);
        };
        let mut count = usize::try_from(available.min(u64::from(BUFFER))).unwrap_or(0);
        if self.has(Faults::SHORT) {
            count = 1 + self.random.below(count);
        }
        let given = self.world.peers[id].given;
        for offset in 0..count {
            // SAFETY: the buffer is the model's until its completion is taken, and is larger.
            unsafe { address.add(offset).write(byte(id, true, given + offset as u64)) };
        }
        self.world.peers[id].given += count as u64;
        let is_more = self.world.peers[id].given < self.world.peers[id].sent;
        let flags = buffer_flags(number) | if is_more { NOT_EMPTY } else { 0 };
        let count = i32::try_from(count).unwrap_or(0);
        // As Linux does: where the queue is full, it does not go on.
        if flight.entry.is_multishot && self.done.len() < self.queue_room() {
            self.finish(flight, count, flags | MORE);
            return self.receive(flight);
        }
        self.finish(flight, count, flags)
    }

    fn accept(&mut self, flight: Flight) -> bool {
        let fails = self.has(Faults::FAILURES) && self.random.chance(10);
        let Some(listener) = self.world.listener(flight.entry.fd) else {
            panic!("a listener was closed while it accepts");
        };
        if listener.waiting == 0 {
            return false;
        }
        listener.waiting -= 1;
        if fails {
            let code = [libc::ECONNABORTED, libc::EMFILE][self.random.below(2)];
            return self.finish(flight, -code, 0);
        }
        let fd = self.world.add().into_raw_fd();
        // As Linux does: where the queue is full, it does not go on.
        if flight.entry.is_multishot && self.done.len() < self.queue_room() {
            self.finish(flight, fd, MORE);
            return self.accept(flight);
        }
        self.finish(flight, fd, 0)
    }

    fn send(&mut self, flight: Flight) -> bool {
        let id = flight.peer.expect("a connection is sent to");
        let peer = &self.world.peers[id];
        if peer.is_reset {
            self.world.peers[id].has_failed = true;
            return self.finish(flight, -libc::EPIPE, 0);
        }
        if peer.is_stalled {
            return false;
        }
        if self.has(Faults::FAILURES) && self.random.chance(20) {
            return self.interrupt(flight);
        }
        let mut count = flight.entry.length as usize;
        if self.has(Faults::SHORT) {
            count = 1 + self.random.below(count);
        }
        self.check_output(flight, count);
        let peer = &mut self.world.peers[id];
        assert!(!peer.is_shut, "bytes are sent after the end of the stream");
        peer.taken += count as u64;
        self.finish(flight, i32::try_from(count).unwrap_or(0), 0)
    }

    /// Checks that the bytes of a send are the next ones of its stream.
    pub(super) fn check_output(&self, flight: Flight, count: usize) {
        let id = flight.peer.expect("a connection is sent to");
        for offset in 0..count {
            let address = flight.entry.address as *const u8;
            // SAFETY: what is sent stays valid until its completion.
            let found = unsafe { address.add(offset).read() };
            let expected = byte(id, false, self.world.peers[id].taken + offset as u64);
            assert_eq!(found, expected, "connection {id} sends a wrong byte");
        }
    }

    fn shut_down(&mut self, flight: Flight) -> bool {
        let id = flight.peer.expect("a connection is shut down");
        let peer = &mut self.world.peers[id];
        let is_complete = peer.taken == peer.user.written;
        assert!(is_complete || peer.has_failed, "connection {id} ends its stream before its bytes");
        peer.is_shut = true;
        self.finish(flight, 0, 0)
    }

    fn connect(&mut self, flight: Flight) -> bool {
        let id = flight.peer.expect("a connection connects");
        let is_refused = self.has(Faults::FAILURES) && self.random.chance(3);
        self.world.peers[id].is_reset |= is_refused;
        self.world.peers[id].has_failed |= is_refused;
        self.finish(flight, if is_refused { -libc::ECONNREFUSED } else { 0 }, 0)
    }

    /// Polls the real descriptor.
    fn poll(&mut self, flight: Flight) -> bool {
        let mut entry = libc::pollfd { fd: flight.entry.fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, valid for the call.
        let count = unsafe { libc::poll(&raw mut entry, 1, 0) };
        count > 0 && self.finish(flight, i32::from(entry.revents), 0)
    }

    /// Ends the timer of a close, if the client takes nothing.
    fn expire(&mut self, flight: Flight) -> bool {
        let place = flight.entry.user_data >> 8;
        let send = self.flights.iter().find(|other| {
            other.entry.code == IoringOp::Send && other.entry.user_data >> 8 == place
        });
        let Some(id) = send.and_then(|send| send.peer) else { return false };
        let is_late = self.has(Faults::LATE) && !self.random.chance(8);
        if is_late || !self.world.peers[id].is_stalled {
            return false;
        }
        self.world.peers[id].has_failed = true;
        self.finish(flight, -libc::ETIME, 0)
    }

    fn cancel(&mut self, flight: Flight) -> bool {
        let target = flight.entry.address;
        let found = self.flights.iter_mut().find(|other| other.entry.user_data == target);
        let result = match found {
            None => -libc::ENOENT,
            Some(other) if other.entry.code == IoringOp::AsyncCancel => -libc::ENOENT,
            Some(other) => {
                other.is_cancelled = true;
                0
            }
        };
        self.finish(flight, result, 0)
    }
}

/// Returns the flags of a completion that names a buffer.
fn buffer_flags(number: u16) -> u32 {
    u32::from(number) << 16 | 1
}
