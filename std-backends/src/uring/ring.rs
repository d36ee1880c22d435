//! The two queues that are shared with the kernel: `io_uring(7)`.
//!
//! Quirks, each repeated at the line that it concerns, if it concerns one:
//!
//! * *first-wait*: a ring with `SINGLE_ISSUER` belongs to the thread that enables it. So it is
//!   made disabled, and the first entry enables it: a loop may be built on one thread and run on
//!   another.
//! * *late-completions*: after a ring is closed, the kernel still posts completions into its
//!   memory (seen on 6.18). So all is cancelled first, and the last completion is awaited.
//! * *interrupted-maker*: when another thread closes a ring, the kernel interrupts a blocking call
//!   of the thread that has made it (`EINTR`, seen on 6.18). The standard library calls again where
//!   that is right; a read with a timeout it does not.
//! * *overflow*: completions beyond the queue are kept by the kernel until the next entry.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::io_uring::{
    IoringSetupFlags, io_uring_cqe, io_uring_params, io_uring_ptr, io_uring_sqe,
};
use selkie_core::{Error, ErrorKind};

use super::kernel::Kernel;
use super::memory::{COMPLETIONS, Page, SUBMISSIONS};
use crate::sys::errno::from_errno;

/// One completion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

/// The submission queue and the completion queue.
#[derive(Debug)]
pub(super) struct Ring {
    kernel: Kernel,
    is_enabled: bool,
    submissions: NonNull<io_uring_sqe>,
    submission_head: NonNull<AtomicU32>,
    submission_tail: NonNull<AtomicU32>,
    /// The positions of the first submission that the kernel has not taken, and behind the last.
    /// Only an entry changes the first, and the kernel sees the second at the next entry.
    head: u32,
    tail: u32,
    completions: NonNull<io_uring_cqe>,
    completion_head: NonNull<AtomicU32>,
    completion_tail: NonNull<AtomicU32>,
}

// SAFETY: the pointers are to memory that belongs to the ring for as long as the process runs.
unsafe impl Send for Ring {}

/// Converts an error of the system.
pub(super) fn error(errno: Errno) -> Error {
    from_errno(errno.raw_os_error())
}

/// The flags of a new ring.
const FLAGS: IoringSetupFlags = IoringSetupFlags::SINGLE_ISSUER
    .union(IoringSetupFlags::DEFER_TASKRUN)
    .union(IoringSetupFlags::NO_SQARRAY)
    .union(IoringSetupFlags::SUBMIT_ALL)
    .union(IoringSetupFlags::CQSIZE)
    .union(IoringSetupFlags::NO_MMAP)
    .union(IoringSetupFlags::R_DISABLED);

impl Ring {
    /// Makes a ring in memory that the kernel writes to from now on. `setup` makes its other side.
    pub(super) fn new(
        setup: impl FnOnce(&mut io_uring_params) -> Result<Kernel, Errno>,
        submissions: &'static mut [Page],
        queues: &'static mut [Page],
    ) -> Result<Self, Error> {
        let mut params = io_uring_params::default();
        params.flags = FLAGS;
        params.cq_entries = COMPLETIONS;
        params.sq_off.user_addr = io_uring_ptr::new(submissions.as_mut_ptr().cast());
        params.cq_off.user_addr = io_uring_ptr::new(queues.as_mut_ptr().cast());
        let kernel = setup(&mut params).map_err(error)?;
        let start = NonNull::from(queues).cast::<u8>();
        // SAFETY: the kernel gives offsets within the memory of the queues.
        let at = |offset: u32| unsafe { start.add(offset as usize) };
        Ok(Self {
            kernel,
            is_enabled: false,
            submissions: NonNull::from(submissions).cast(),
            submission_head: at(params.sq_off.head).cast(),
            submission_tail: at(params.sq_off.tail).cast(),
            head: 0,
            tail: 0,
            completions: at(params.cq_off.cqes).cast(),
            completion_head: at(params.cq_off.head).cast(),
            completion_tail: at(params.cq_off.tail).cast(),
        })
    }

    /// Registers a ring of buffers as a group.
    pub(super) fn register_buffers(
        &self,
        ring: *mut c_void,
        entries: u32,
        group: u16,
    ) -> Result<(), Error> {
        self.kernel.register_buffers(ring, entries, group).map_err(error)
    }

    /// Returns the number of submissions that the kernel has not taken.
    #[inline]
    const fn pending(&self) -> u32 {
        self.tail.wrapping_sub(self.head)
    }

    /// Adds a submission. A full queue is handed to the kernel first.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the entry is made in its place then")]
    pub(super) fn push(&mut self, entry: io_uring_sqe) -> Result<(), Error> {
        if self.pending() == SUBMISSIONS {
            self.make_room()?;
        }
        let place = (self.tail & (SUBMISSIONS - 1)) as usize;
        // SAFETY: the place is within the queue, and the kernel does not read it before the tail
        // says so.
        unsafe { self.submissions.add(place).write(entry) };
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Hands a full queue to the kernel.
    #[cold]
    fn make_room(&mut self) -> Result<(), Error> {
        self.enter(0, None)?;
        if self.pending() == SUBMISSIONS { Err(ErrorKind::Full.into()) } else { Ok(()) }
    }

    /// Hands all submissions to the kernel, and waits for `completions` at least, or until a time
    /// of the monotonic clock. Returns true if a signal has ended the wait.
    pub(super) fn enter(
        &mut self,
        completions: u32,
        until: Option<libc::timespec>,
    ) -> Result<bool, Error> {
        self.enable()?;
        let submissions = self.pending();
        // SAFETY: valid for as long as the process runs, and this thread alone writes it.
        unsafe { self.submission_tail.as_ref() }.store(self.tail, Ordering::Release);
        // SAFETY: what the submissions name is `'static` or belongs to an endpoint that stays until
        // they are completed.
        let result = unsafe { self.kernel.enter(submissions, completions, until) };
        // SAFETY: as for the tail, but the kernel writes it.
        self.head = unsafe { self.submission_head.as_ref() }.load(Ordering::Acquire);
        match result {
            Err(Errno::INTR) => Ok(true),
            // The time has come; completions have to be taken first (overflow).
            Ok(()) | Err(Errno::TIME | Errno::BUSY | Errno::AGAIN) => Ok(false),
            // first-wait: another thread has.
            Err(Errno::EXIST) => Err(Error::with_code(ErrorKind::PermissionDenied, libc::EEXIST)),
            Err(errno) => Err(error(errno)),
        }
    }

    /// Makes this thread the one that enters (first-wait).
    fn enable(&mut self) -> Result<(), Error> {
        if !self.is_enabled {
            self.kernel.enable().map_err(error)?;
            self.is_enabled = true;
        }
        Ok(())
    }

    /// Cancels every operation, and returns when that is done (late-completions).
    pub(super) fn cancel_all(&mut self) {
        // What was not handed to the kernel yet is cancelled with the rest.
        let _ = self.enter(0, None);
        self.kernel.cancel_all();
    }

    /// Takes the oldest completion.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Completion> {
        // SAFETY: the entry at the head is complete if it is before the tail, which the kernel
        // writes after it. This thread alone writes the head.
        unsafe {
            let head = self.completion_head.as_ref();
            let position = head.load(Ordering::Relaxed);
            if position == self.completion_tail.as_ref().load(Ordering::Acquire) {
                return None;
            }
            let entry = self.completions.add((position & (COMPLETIONS - 1)) as usize).as_ref();
            let completion = Completion {
                user_data: entry.user_data.u64_(),
                result: entry.res,
                flags: entry.flags.bits(),
            };
            head.store(position.wrapping_add(1), Ordering::Release);
            Some(completion)
        }
    }
}
