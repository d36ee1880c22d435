//! The completions of the kernel.

use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use selkie_core::Readiness;
use selkie_core::backend::Handle;

use super::Uring;
use super::closing::timer_ended;
use super::endpoint::{End, Endpoint, Kind, Repeated};
use super::input::Buffers;
use super::memory::OUTPUT;
use super::operations::{Operation, Submitter, buffer_of, has_more, is_followed};
use super::ring::Completion;
use crate::sys::file;

/// The descriptor of a source that was released, until its place is free.
const NO_DESCRIPTOR: RawFd = -1;

impl Uring {
    /// Takes everything that the kernel has completed.
    pub(super) fn take_completions(&mut self) {
        while let Some(completion) = self.ring.pop() {
            if !self.take_usual(completion) {
                self.take_other(completion);
            }
        }
        self.buffers.end_turn();
    }

    /// Takes the completion of an operation that is part of the usual message. Returns false, and
    /// changes nothing, if it is another one.
    #[inline]
    fn take_usual(&mut self, completion: Completion) -> bool {
        let Some((operation, index)) = Operation::of(completion.user_data) else { return false };
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return false };
        let Ok(count @ 1..) = u32::try_from(completion.result) else { return false };
        let submitter = &mut Submitter { ring: &mut self.ring, operations: &mut self.operations };
        match (operation, buffer_of(completion.flags)) {
            (Operation::Receive, Some(buffer)) if endpoint.closing.is_none() => {
                endpoint.is_drained = !has_more(completion.flags);
                self.buffers.append(&mut endpoint.input, buffer, count);
                if !is_followed(completion.flags) {
                    *submitter.operations -= 1;
                    endpoint.operations -= 1;
                    endpoint.receiving = Repeated::Idle;
                    let limits = self.buffers.limits(self.held_max);
                    // If it cannot begin now, it begins when the source is looked at.
                    let _ = submitter.receive(index, endpoint, limits);
                } else if endpoint.is_slow() {
                    self.stop_receiving(index);
                }
                self.enqueue(index);
                true
            }
            // All was sent, so the next message finds the same line of the buffer.
            (Operation::Send, _) if endpoint.is_done_with(count) => {
                *submitter.operations -= 1;
                endpoint.operations -= 1;
                let output = &mut endpoint.output;
                (output.is_sending, output.length, output.start) = (false, 0, 0);
                output.since = None;
                true
            }
            _ => false,
        }
    }

    /// Cancels a multishot receive of a connection whose service is slow. If the submission queue
    /// has no room, the next completion tries it again.
    #[cold]
    fn stop_receiving(&mut self, index: usize) {
        if self.at(index).is_some_and(|endpoint| endpoint.receiving == Repeated::Armed) {
            let _ = self.cancel(Operation::Receive, index);
        }
    }

    /// Takes any completion.
    fn take_other(&mut self, completion: Completion) {
        let Some((operation, index)) = Operation::of(completion.user_data) else { return };
        let is_last = !is_followed(completion.flags);
        self.operations -= usize::from(is_last);
        if operation == Operation::WatchWaker {
            self.watching_waker = Repeated::Idle;
            self.is_woken |= completion.result > 0;
            return;
        }
        self.complete(operation, index, completion, is_last);
    }

    /// Takes one completion of the source at a place.
    fn complete(
        &mut self,
        operation: Operation,
        index: usize,
        completion: Completion,
        is_last: bool,
    ) {
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return };
        endpoint.operations -= u32::from(is_last);
        let result = completion.result;
        match operation {
            Operation::Receive => received(&mut self.buffers, endpoint, completion, is_last),
            Operation::Accept => return self.accepted(index, result, is_last),
            Operation::Send => {
                sent(endpoint, result);
                let is_quiet = endpoint.closing.is_none() && endpoint.reportable().is_empty();
                // What was written meanwhile follows at once.
                self.begin_missing(index);
                if is_quiet {
                    return;
                }
            }
            Operation::Connect => connected(endpoint, result),
            Operation::Poll => {
                endpoint.receiving = Repeated::Idle;
                if result > 0 {
                    endpoint.polled |= Readiness::from_bits(result.cast_unsigned());
                }
            }
            Operation::Shutdown => {
                endpoint.output.is_sending = false;
                endpoint.output.end = if result < 0 { End::Failed(-result) } else { End::Ended };
            }
            Operation::CloseTimer => timer_ended(endpoint),
            Operation::Cancel | Operation::WatchWaker => {}
        }
        self.enqueue(index);
    }

    /// Takes over a connection.
    fn accepted(&mut self, index: usize, result: i32, is_last: bool) {
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return };
        if is_last {
            endpoint.receiving = Repeated::Idle;
            self.accepts_many &= !endpoint.is_multishot;
        }
        if result >= 0 {
            let parked = match endpoint.closing {
                None => self.parked.push(endpoint, result),
                Some(_) => Err(result),
            };
            if let Err(fd) = parked {
                // SAFETY: the kernel has just opened it for this operation.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        } else if !matches!(-result, libc::ECANCELED | libc::EINTR | libc::EAGAIN) {
            endpoint.input_end = End::Failed(-result);
        }
        self.enqueue(index);
    }

    /// Closes the descriptor of a source that the kernel has let go of, and frees its place.
    pub(super) fn release_place(&mut self, handle: Handle, mut endpoint: Endpoint) {
        while let Some(fd) = self.parked.pop(&mut endpoint) {
            // SAFETY: it was in the list, so nothing else has taken it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        let all = endpoint.input.unread as usize;
        self.buffers.drop_first(&mut endpoint.input, all);
        drop(take_descriptor(&mut endpoint));
        let _ = self.endpoints.remove(handle, Endpoint::default());
        self.open -= 1;
    }
}

/// Takes the descriptor out of a source for which the kernel does nothing more.
pub(super) fn take_descriptor(endpoint: &mut Endpoint) -> Option<OwnedFd> {
    let fd = std::mem::replace(&mut endpoint.fd, NO_DESCRIPTOR);
    // SAFETY: the endpoint owned it, and has none from now on.
    let fd = (fd != NO_DESCRIPTOR).then(|| unsafe { OwnedFd::from_raw_fd(fd) })?;
    if std::mem::take(&mut endpoint.was_blocking) {
        // Duplicates of it may be in use elsewhere. Without this they stay as they are.
        let _ = file::set_blocking(fd.as_fd());
    }
    Some(fd)
}

/// Takes over what was received.
fn received(buffers: &mut Buffers, endpoint: &mut Endpoint, completion: Completion, is_last: bool) {
    if is_last {
        endpoint.receiving = Repeated::Idle;
    }
    match (completion.result, buffer_of(completion.flags)) {
        (1.., Some(buffer)) if endpoint.closing.is_none() => {
            endpoint.is_drained = !has_more(completion.flags);
            let count = completion.result.unsigned_abs();
            return buffers.append(&mut endpoint.input, buffer, count);
        }
        (_, Some(buffer)) => buffers.discard(buffer),
        (_, None) => {}
    }
    endpoint.is_drained = false;
    match -completion.result {
        0 => endpoint.input_end = End::Ended,
        // The connection comes first in the next turn. After a multishot receive it need not: its
        // next receive uses the other group.
        libc::ENOBUFS if !endpoint.is_multishot => buffers.begin_scarcity(),
        libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
        code if code > 0 => endpoint.input_end = End::Failed(code),
        _ => {}
    }
}

/// Takes over what was sent.
fn sent(endpoint: &mut Endpoint, result: i32) {
    let output = &mut endpoint.output;
    output.is_sending = false;
    match u32::try_from(result) {
        Ok(count) => {
            output.length -= count.min(output.length);
            output.since = None;
            output.start = (output.start + count) % OUTPUT;
            if output.length == 0 {
                // The next message finds the same pages.
                output.start = 0;
            }
        }
        Err(_) if matches!(-result, libc::EINTR | libc::EAGAIN) => {}
        Err(_) => {
            output.length = 0;
            output.end = End::Failed(-result);
        }
    }
}

/// Takes over the result of a connection attempt.
fn connected(endpoint: &mut Endpoint, result: i32) {
    endpoint.kind = Kind::Stream;
    if result < 0 && -result != libc::EISCONN {
        endpoint.output.end = End::Failed(-result);
        endpoint.input_end = End::Failed(-result);
    }
}
