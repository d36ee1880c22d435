//! The system calls that wait. The quirks are those at the head of the selector.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use super::event_buffer::Room;
use crate::sys::{clock, errno};

/// Waits by the call that fits `timeout`. Clears `has_pwait2` if the kernel does not have that
/// call. Returns the number of events, or -1 for an error.
#[inline]
pub(super) fn epoll_wait_for(
    instance: &OwnedFd,
    has_pwait2: &mut bool,
    room: &Room<'_>,
    timeout: Option<Duration>,
) -> c_int {
    if let Some(timeout) = timeout.filter(|timeout| *has_pwait2 && !timeout.is_zero()) {
        if let Some(count) = epoll_pwait2(instance, room, timeout) {
            return count;
        }
        *has_pwait2 = false;
    }
    // milliseconds: rounded up, never down.
    epoll_wait(instance, room, clock::milliseconds(timeout))
}

/// Waits up to `timeout` milliseconds, or without end for -1.
#[inline]
pub(super) fn epoll_wait(instance: &OwnedFd, room: &Room<'_>, timeout: c_int) -> c_int {
    // SAFETY: `Room` has memory for as many events as it says.
    unsafe { libc::epoll_wait(instance.as_raw_fd(), room.start(), room.len(), timeout) }
}

/// Waits up to `timeout`; `None` if the kernel does not have the call.
fn epoll_pwait2(instance: &OwnedFd, room: &Room<'_>, timeout: Duration) -> Option<c_int> {
    /// The kernel's own `timespec`, which has 64 bits also where that of the C library has 32.
    #[repr(C)]
    struct KernelTimespec {
        seconds: i64,
        nanoseconds: i64,
    }

    let timeout = clock::clamped(timeout);
    let time = KernelTimespec {
        seconds: timeout.as_secs().cast_signed(),
        nanoseconds: i64::from(timeout.subsec_nanos()),
    };
    // SAFETY: `Room` has memory for as many events as it says, the time is valid for the call, and
    // a null signal mask leaves the mask alone. The kernel then ignores the size of the mask.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            instance.as_raw_fd(),
            room.start(),
            room.len(),
            &raw const time,
            std::ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    // milliseconds: ENOSYS from the kernel, EPERM from a sandbox.
    if count < 0 && matches!(errno::number(), libc::ENOSYS | libc::EPERM) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the room, which is a `c_int`")]
    let count = count as c_int;
    Some(count)
}
