//! Closing: the operations of a source end first.
//!
//! ```text
//!                    output is left, and the close is graceful
//!              +----------------------------------------------+
//!              |                                              v
//!   close -> cancel receive, accept, poll     send, under a timer: no byte within it -> abort
//!              |                                              |
//!              v                                              |
//!            cancel send, connect, timer <--------------------+ all sent, or failed
//!              |
//!              v
//!            the last completion -> the descriptor is closed, and the place is free
//! ```

use rustix::io_uring::{IoringOp, io_uring_ptr};
use selkie_core::Error;
use selkie_core::platform::Close;

use super::Uring;
use super::endpoint::{Endpoint, Kind, Repeated};
use super::operations::{Operation, Submitter, entry};
use crate::sys::socket;

impl Uring {
    /// Takes the next step to close the source at a place. A step that cannot begin now begins in
    /// the next turn.
    pub(super) fn advance_closing(&mut self, index: usize) {
        let Ok(is_done) = self.end_operations(index) else { return self.enqueue(index) };
        let Some((handle, endpoint)) = self.endpoints.at(index) else { return };
        if is_done && endpoint.operations == 0 && !endpoint.is_queued {
            let endpoint = *endpoint;
            self.release_place(handle, endpoint);
        }
    }

    /// Cancels the operations of a source that is being closed. Returns false while its pending
    /// output is being sent.
    fn end_operations(&mut self, index: usize) -> Result<bool, Error> {
        let Some(endpoint) = self.at(index).map(|endpoint| *endpoint) else { return Ok(false) };
        if endpoint.receiving == Repeated::Armed {
            self.cancel(Operation::waiting(endpoint.kind), index)?;
        }
        if is_flushing(&endpoint) {
            self.begin_flush(index)?;
            self.begin_close_timer(index)?;
            return Ok(false);
        }
        if endpoint.close_timer == Repeated::Armed {
            self.begin_cancel(Operation::CloseTimer.user_data(index), index)?;
            self.set_close_timer(index, Repeated::Cancelling);
        }
        let is_abort = endpoint.closing == Some(Close::Abort);
        let waiting = match endpoint.kind {
            Kind::Connecting => Some(Operation::Connect),
            _ if is_abort && endpoint.output.is_sending => Some(Operation::Send),
            _ => None,
        };
        if let Some(operation) = waiting.filter(|_| !endpoint.is_cancelled) {
            self.begin_cancel(operation.user_data(index), index)?;
            if let Some(endpoint) = self.at(index) {
                endpoint.is_cancelled = true;
            }
        }
        Ok(true)
    }

    /// Begins to send what is left of the output.
    fn begin_flush(&mut self, index: usize) -> Result<(), Error> {
        let start = self.output_of(index);
        let Some((_, endpoint)) = self.endpoints.at_mut(index) else { return Ok(()) };
        let submitter = &mut Submitter { ring: &mut self.ring, operations: &mut self.operations };
        submitter.send(index, endpoint, start)
    }

    /// Starts the timer of a close that waits for its output.
    fn begin_close_timer(&mut self, index: usize) -> Result<(), Error> {
        let Some(endpoint) = self.at(index) else { return Ok(()) };
        if endpoint.close_timer != Repeated::Idle {
            return Ok(());
        }
        endpoint.timed_output = endpoint.output.length;
        let mut entry = entry(IoringOp::Timeout, -1);
        let span = (&raw mut self.close_timeout[0]).cast();
        entry.addr_or_splice_off_in.addr = io_uring_ptr::new(span);
        entry.len.len = 1;
        self.begin(Operation::CloseTimer, index, entry)?;
        self.set_close_timer(index, Repeated::Armed);
        Ok(())
    }

    fn set_close_timer(&mut self, index: usize, state: Repeated) {
        if let Some(endpoint) = self.at(index) {
            endpoint.close_timer = state;
        }
    }
}

/// Returns true if a closed connection has output that is to be sent.
fn is_flushing(endpoint: &Endpoint) -> bool {
    endpoint.closing == Some(Close::Graceful)
        && endpoint.kind == Kind::Stream
        && endpoint.output.length > 0
        && endpoint.output.end.failure().is_none()
}

/// Records that the timer of a close has ended. A peer that took nothing meanwhile is reset.
pub(super) fn timer_ended(endpoint: &mut Endpoint) {
    let was_cancelled = endpoint.close_timer == Repeated::Cancelling;
    endpoint.close_timer = Repeated::Idle;
    if !was_cancelled && is_flushing(endpoint) && endpoint.output.length == endpoint.timed_output {
        endpoint.closing = Some(Close::Abort);
        // Without a reset it is closed all the same.
        let _ = socket::reset_on_close(endpoint.fd);
    }
}
