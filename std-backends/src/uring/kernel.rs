//! The system calls on a ring: `io_uring_setup(2)`, `io_uring_enter(2)`, `io_uring_register(2)`.
//!
//! Unit tests put a model in their place (`model/`).

use std::ffi::c_void;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::io_uring::{
    IoringAsyncCancelFlags, IoringEnterFlags, IoringRegisterOp, io_uring_buf_reg, io_uring_enter,
    io_uring_enter_arg, io_uring_getevents_arg, io_uring_params, io_uring_ptr, io_uring_register,
    io_uring_setup, io_uring_sync_cancel_reg,
};

use super::memory::SUBMISSIONS;

/// The other side of a ring.
#[derive(Debug)]
pub(super) enum Kernel {
    Linux(OwnedFd),
    #[cfg(test)]
    Model(super::model::Model),
}

impl Kernel {
    /// Makes a ring of Linux.
    ///
    /// # Safety
    ///
    /// The memory that the parameters name is `'static`, and as large as the numbers of entries
    /// say.
    pub(super) unsafe fn linux(params: &mut io_uring_params) -> Result<Self, Errno> {
        // SAFETY: as above.
        unsafe { io_uring_setup(SUBMISSIONS, params) }.map(Self::Linux)
    }

    /// Registers a ring of buffers, which is `'static`, as a group.
    pub(super) fn register_buffers(
        &self,
        ring: *mut c_void,
        entries: u32,
        group: u16,
    ) -> Result<(), Errno> {
        let fd = match self {
            Self::Linux(fd) => fd,
            #[cfg(test)]
            Self::Model(model) => {
                model.register_buffers(ring, entries, group);
                return Ok(());
            }
        };
        let mut register = io_uring_buf_reg::default();
        register.ring_addr = io_uring_ptr::new(ring);
        register.ring_entries = entries;
        register.bgid = group;
        let argument = (&raw const register).cast();
        // SAFETY: the argument is valid for the call, and the caller's ring is `'static`.
        unsafe { io_uring_register(fd, IoringRegisterOp::RegisterPbufRing, argument, 1) }.map(drop)
    }

    /// Makes this thread the one that enters.
    pub(super) fn enable(&self) -> Result<(), Errno> {
        let fd = match self {
            Self::Linux(fd) => fd,
            #[cfg(test)]
            Self::Model(_) => return Ok(()),
        };
        let none = std::ptr::null();
        // SAFETY: the call takes no argument.
        unsafe { io_uring_register(fd, IoringRegisterOp::RegisterEnableRings, none, 0) }.map(drop)
    }

    /// Hands submissions over, and waits for `completions` at least, or until a time of the
    /// monotonic clock.
    ///
    /// # Safety
    ///
    /// What the submissions name stays valid until they are completed.
    pub(super) unsafe fn enter(
        &self,
        submissions: u32,
        completions: u32,
        until: Option<libc::timespec>,
    ) -> Result<(), Errno> {
        let fd = match self {
            Self::Linux(fd) => fd,
            #[cfg(test)]
            Self::Model(model) => return model.enter(completions),
        };
        let flags = IoringEnterFlags::GETEVENTS;
        let Some(mut until) = until.filter(|_| completions > 0) else {
            // SAFETY: as the caller promises.
            return unsafe { io_uring_enter(fd, submissions, completions, flags) }.map(drop);
        };
        let argument = io_uring_getevents_arg {
            ts: io_uring_ptr::new((&raw mut until).cast()),
            ..io_uring_getevents_arg::default()
        };
        let flags = flags | IoringEnterFlags::EXT_ARG | IoringEnterFlags::ABS_TIMER;
        // SAFETY: as the caller promises, and the time is valid for the call.
        unsafe { io_uring_enter_arg(fd, submissions, completions, flags, Some(&argument)) }
            .map(drop)
    }

    /// Cancels every operation, and returns when that is done.
    pub(super) fn cancel_all(&self) {
        let fd = match self {
            Self::Linux(fd) => fd,
            #[cfg(test)]
            Self::Model(model) => return model.cancel_all(),
        };
        let mut cancel = io_uring_sync_cancel_reg::default();
        cancel.flags = IoringAsyncCancelFlags::ANY | IoringAsyncCancelFlags::ALL;
        cancel.fd = -1;
        (cancel.timeout.tv_sec, cancel.timeout.tv_nsec) = (-1, -1);
        let argument = (&raw const cancel).cast();
        // SAFETY: the argument is valid for the call.
        let _ = unsafe { io_uring_register(fd, IoringRegisterOp::RegisterSyncCancel, argument, 1) };
    }
}
