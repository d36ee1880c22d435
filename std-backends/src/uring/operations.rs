//! The operations that are submitted to the kernel. Each names the place of its source, which is
//! not used again before the operation is completed.

use std::os::fd::RawFd;

use rustix::io_uring::{
    IoringAcceptFlags, IoringAsyncCancelFlags, IoringOp, IoringRecvFlags, IoringSqeFlags,
    SendFlags, SocketFlags, io_uring_ptr, io_uring_sqe, io_uring_user_data,
};
use selkie_core::{Error, Interest};

use super::Uring;
use super::endpoint::{End, Endpoint, Kind, Repeated};
use super::input::{Limits, SHARED_GROUP};
use super::memory::{FEW_PLACES, OUTPUT, OUTPUT_STRIDE};
use super::ring::Ring;
use crate::sys::address::RawAddress;

/// The kind of an operation, in the lowest byte of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    Receive = 1,
    Accept = 2,
    Send = 3,
    Connect = 4,
    Poll = 5,
    Cancel = 6,
    Shutdown = 7,
    WatchWaker = 8,
    CloseTimer = 9,
}

impl Operation {
    /// Makes the user data of an operation on the source at `index`.
    pub(super) fn user_data(self, index: usize) -> u64 {
        (index as u64) << 8 | self as u64
    }

    /// Returns the operation by which the kernel waits for input of a source.
    pub(super) const fn waiting(kind: Kind) -> Self {
        match kind {
            Kind::Listener => Self::Accept,
            Kind::File => Self::Poll,
            Kind::Stream | Kind::Connecting => Self::Receive,
        }
    }

    /// Returns the operation and the place in some user data.
    #[expect(clippy::cast_possible_truncation, reason = "a place has 32 bits")]
    pub(super) const fn of(user_data: u64) -> Option<(Self, usize)> {
        let operation = match user_data as u8 {
            1 => Self::Receive,
            2 => Self::Accept,
            3 => Self::Send,
            4 => Self::Connect,
            5 => Self::Poll,
            6 => Self::Cancel,
            7 => Self::Shutdown,
            8 => Self::WatchWaker,
            9 => Self::CloseTimer,
            _ => return None,
        };
        Some((operation, (user_data >> 8) as usize))
    }
}

/// Makes an entry for an operation on a descriptor.
#[inline]
pub(super) fn entry(code: IoringOp, fd: RawFd) -> io_uring_sqe {
    io_uring_sqe { opcode: code, fd, ..io_uring_sqe::default() }
}

impl Uring {
    /// Hands an operation to the kernel at the next entry.
    pub(super) fn begin(
        &mut self,
        operation: Operation,
        index: usize,
        mut entry: io_uring_sqe,
    ) -> Result<(), Error> {
        entry.user_data = io_uring_user_data::from_u64(operation.user_data(index));
        self.ring.push(entry)?;
        self.operations += 1;
        if operation != Operation::WatchWaker {
            if let Some(endpoint) = self.at(index) {
                endpoint.operations += 1;
            }
        }
        Ok(())
    }

    /// Begins the operations that the source at a place needs and the kernel does not have. Those
    /// that cannot begin now begin in the next turn.
    pub(super) fn begin_missing(&mut self, index: usize) {
        let start = self.output_of(index);
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return };
        if endpoint.closing.is_some() {
            return self.advance_closing(index);
        }
        let begun = match endpoint.kind {
            Kind::Stream => {
                let submitter =
                    &mut Submitter { ring: &mut self.ring, operations: &mut self.operations };
                let limits = self.buffers.limits(self.held_max);
                let received = submitter.receive(index, endpoint, limits);
                received.and_then(|()| submitter.send(index, endpoint, start))
            }
            Kind::Listener => self.begin_accept(index),
            Kind::File => self.begin_poll(index),
            Kind::Connecting => Ok(()),
        };
        if begun.is_err() {
            self.enqueue(index);
        }
    }

    /// Begins to accept: by one multishot operation while there is room for many connections, else
    /// one at a time.
    fn begin_accept(&mut self, index: usize) -> Result<(), Error> {
        let has_room = self.open_max - self.open > FEW_PLACES && self.parked.has_room_for_many();
        let accepts_many = has_room && !self.accepts_many;
        let Some(endpoint) = self.at(index) else { return Ok(()) };
        let interest = endpoint.armed;
        // A failure is returned by the next accept, and until then another would fail as well.
        let wants = interest.contains(Interest::READABLE)
            && endpoint.parked_first == 0
            && endpoint.input_end == End::Open;
        match endpoint.receiving {
            Repeated::Armed if !wants => self.cancel(Operation::Accept, index),
            Repeated::Idle if wants => {
                let mut entry = entry(IoringOp::Accept, endpoint.fd);
                entry.op_flags.accept_flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                if accepts_many {
                    entry.ioprio.accept_flags = IoringAcceptFlags::MULTISHOT;
                }
                endpoint.is_multishot = accepts_many;
                self.begin(Operation::Accept, index, entry)?;
                self.accepts_many |= accepts_many;
                self.set_repeated(index, Repeated::Armed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Begins to poll a file for its interest.
    fn begin_poll(&mut self, index: usize) -> Result<(), Error> {
        let Some(endpoint) = self.at(index) else { return Ok(()) };
        let interest = endpoint.armed;
        match endpoint.receiving {
            Repeated::Idle if !interest.is_empty() && endpoint.polled.is_empty() => {
                let mut entry = entry(IoringOp::PollAdd, endpoint.fd);
                entry.op_flags.poll32_events = u32::from(interest.bits() & 0x07);
                self.begin(Operation::Poll, index, entry)?;
                self.set_repeated(index, Repeated::Armed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Begins to poll the waker.
    pub(super) fn watch_waker(&mut self) {
        let Some(waker) = &self.waker else { return };
        if self.watching_waker != Repeated::Idle {
            return;
        }
        let mut entry = entry(IoringOp::PollAdd, waker.source());
        entry.op_flags.poll32_events = libc::POLLIN as u32;
        if self.begin(Operation::WatchWaker, 0, entry).is_ok() {
            self.watching_waker = Repeated::Armed;
        }
    }

    /// Cancels the poll of the waker.
    pub(super) fn unwatch_waker(&mut self) -> Result<(), Error> {
        if self.watching_waker == Repeated::Armed {
            self.begin_cancel(Operation::WatchWaker.user_data(0), usize::MAX >> 8)?;
            self.watching_waker = Repeated::Cancelling;
        }
        Ok(())
    }

    /// Begins to connect to an address, which lies in the output buffer until the kernel has read
    /// it.
    pub(super) fn begin_connect(
        &mut self,
        index: usize,
        address: &RawAddress,
    ) -> Result<(), Error> {
        let start = self.output_of(index);
        let Some(endpoint) = self.at(index) else { return Ok(()) };
        let length = address.length();
        // SAFETY: an address is shorter than the buffer, in which nothing else is.
        unsafe { address.as_ptr().cast::<u8>().copy_to_nonoverlapping(start, length as usize) };
        let mut entry = entry(IoringOp::Connect, endpoint.fd);
        entry.addr_or_splice_off_in.addr = io_uring_ptr::new(start.cast());
        entry.off_or_addr2.off = u64::from(length);
        self.begin(Operation::Connect, index, entry)
    }

    /// Cancels the operation by which a source waits for input.
    pub(super) fn cancel(&mut self, operation: Operation, index: usize) -> Result<(), Error> {
        self.begin_cancel(operation.user_data(index), index)?;
        self.set_repeated(index, Repeated::Cancelling);
        Ok(())
    }

    /// Cancels the operation with the given user data.
    pub(super) fn begin_cancel(&mut self, user_data: u64, index: usize) -> Result<(), Error> {
        let mut entry = entry(IoringOp::AsyncCancel, -1);
        entry.addr_or_splice_off_in.user_data = io_uring_user_data::from_u64(user_data);
        entry.op_flags.cancel_flags = IoringAsyncCancelFlags::empty();
        self.begin(Operation::Cancel, index, entry)
    }

    fn set_repeated(&mut self, index: usize, state: Repeated) {
        if let Some(endpoint) = self.at(index) {
            endpoint.receiving = state;
        }
    }

    /// Returns the start of the output buffer of a place.
    #[inline]
    pub(super) fn output_of(&self, index: usize) -> *mut u8 {
        // No pointer is made to what is no place.
        debug_assert!(index < self.endpoints.capacity());
        self.output.as_ptr().wrapping_add(index * OUTPUT_STRIDE)
    }
}

/// The parts of a platform that the usual operations change, beside their source.
pub(super) struct Submitter<'a> {
    pub(super) ring: &'a mut Ring,
    pub(super) operations: &'a mut usize,
}

impl Submitter<'_> {
    /// Hands an operation to the kernel at the next entry.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the entry is made in its place then")]
    fn begin(
        &mut self,
        operation: Operation,
        index: usize,
        endpoint: &mut Endpoint,
        mut entry: io_uring_sqe,
    ) -> Result<(), Error> {
        entry.user_data = io_uring_user_data::from_u64(operation.user_data(index));
        self.ring.push(entry)?;
        *self.operations += 1;
        endpoint.operations += 1;
        Ok(())
    }

    /// Begins to receive, if the service reads and the connection keeps fewer buffers than it may:
    /// by a multishot operation while the shared group has buffers.
    ///
    /// A multishot receive may fill any number of buffers before it can be cancelled. So only a
    /// connection whose service has taken its input gets one.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "part of taking what was received")]
    pub(super) fn receive(
        &mut self,
        index: usize,
        endpoint: &mut Endpoint,
        limits: Limits,
    ) -> Result<(), Error> {
        if !endpoint.wants_to_receive(limits.held_max) {
            return Ok(());
        }
        if limits.is_scarce && endpoint.has_new_input() {
            // A connection that found no buffer goes before one that has bytes to read.
            return Ok(());
        }
        let mut entry = entry(IoringOp::Recv, endpoint.fd);
        entry.flags = IoringSqeFlags::BUFFER_SELECT;
        endpoint.is_multishot =
            endpoint.is_drained && limits.has_shared && endpoint.input.held <= 1;
        if endpoint.is_drained {
            // Nothing was left in the socket, so the kernel need not look before it waits.
            let mut flags = IoringRecvFlags::POLL_FIRST;
            if endpoint.is_multishot {
                flags |= IoringRecvFlags::MULTISHOT;
                entry.buf.buf_group = SHARED_GROUP;
            }
            entry.ioprio.recv_flags = flags;
        }
        self.begin(Operation::Receive, index, endpoint, entry)?;
        endpoint.receiving = Repeated::Armed;
        Ok(())
    }

    /// Begins to send the pending output, which is in the buffer at `start`, unless some is being
    /// sent. Without pending output, shuts the stream down if its user has asked for that.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "part of writing")]
    pub(super) fn send(
        &mut self,
        index: usize,
        endpoint: &mut Endpoint,
        start: *mut u8,
    ) -> Result<(), Error> {
        if !endpoint.wants_to_send() {
            return Ok(());
        }
        let output = &endpoint.output;
        if output.length == 0 {
            return self.shut_down(index, endpoint);
        }
        // The bytes up to the end of the buffer; the rest follows.
        let length = output.length.min(OUTPUT - output.start);
        let mut entry = entry(IoringOp::Send, endpoint.fd);
        let bytes = start.wrapping_add(output.start as usize);
        entry.addr_or_splice_off_in.addr = io_uring_ptr::new(bytes.cast());
        entry.len.len = length;
        entry.op_flags.send_flags = SendFlags::NOSIGNAL;
        self.begin(Operation::Send, index, endpoint, entry)?;
        endpoint.output.is_sending = true;
        Ok(())
    }

    /// Begins to shut down writing.
    fn shut_down(&mut self, index: usize, endpoint: &mut Endpoint) -> Result<(), Error> {
        let mut entry = entry(IoringOp::Shutdown, endpoint.fd);
        entry.len.len = libc::SHUT_WR as u32;
        self.begin(Operation::Shutdown, index, endpoint, entry)?;
        endpoint.output.is_sending = true;
        Ok(())
    }
}

/// Returns the buffer that a completion names by 16 bits of its flags.
pub(super) const fn buffer_of(flags: u32) -> Option<usize> {
    const IS_BUFFER: u32 = 1;
    if flags & IS_BUFFER == 0 { None } else { Some((flags >> 16) as usize) }
}

/// Returns true if a completion says that there is more to receive.
pub(super) const fn has_more(flags: u32) -> bool {
    const IS_NOT_EMPTY: u32 = 4;
    flags & IS_NOT_EMPTY != 0
}

/// Returns true if more completions of the same operation follow this one.
pub(super) const fn is_followed(flags: u32) -> bool {
    const MORE: u32 = 2;
    flags & MORE != 0
}
