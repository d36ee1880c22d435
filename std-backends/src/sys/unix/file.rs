//! Sources that are no sockets: pipes and terminals.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *no-flags*: Apple's systems do not have `pipe2`. There a pipe is prepared after it was made; a
//!   program that is executed in between inherits it.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use selkie_core::{Error, ErrorKind};

use super::errno;
use super::io::{PARTS_MAX, bounded, vector_of};
use super::socket;
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
use super::source::OwnedSource;

/// Makes a pipe: the end to read from, and the end to write to.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn pipe() -> Result<(OwnedSource, OwnedSource), Error> {
    let mut ends: [std::ffi::c_int; 2] = [-1; 2];
    // SAFETY: `ends` has room for two descriptors.
    #[cfg(not(target_vendor = "apple"))]
    errno::check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) })?;
    // SAFETY: as above.
    #[cfg(target_vendor = "apple")]
    errno::check(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    let (read, write) = (socket::owned(ends[0])?, socket::owned(ends[1])?);
    // no-flags: afterwards.
    #[cfg(target_vendor = "apple")]
    {
        socket::prepare(&read)?;
        socket::prepare(&write)?;
    }
    Ok((read, write))
}

/// Makes the open file non-blocking, for its duplicates too. Returns true if it was blocking.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<bool, Error> {
    // SAFETY: the call takes no pointers.
    let flags = errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(false);
    }
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(true)
}

/// Makes the open file blocking, for its duplicates too.
pub(crate) fn set_blocking(fd: BorrowedFd<'_>) -> Result<(), Error> {
    // SAFETY: the call takes no pointers.
    let flags = errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: the call takes no pointers.
    errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK) })?;
    Ok(())
}

/// Returns true if a descriptor is a terminal.
pub(crate) fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: the call takes no pointers.
    unsafe { libc::isatty(fd) == 1 }
}

/// The negative error number of reading from a terminal whose other side was closed.
pub(crate) const END_OF_TERMINAL: isize = -(libc::EIO as isize);

/// Makes one `read` call.
pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> isize {
    // SAFETY: the buffer is valid for writes of its length.
    unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), bounded(buffer.len())) }
}

/// Makes one `write` call.
pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> isize {
    // SAFETY: the bytes are valid for reads of their length.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bounded(bytes.len())) }
}

/// Makes one `writev` call.
pub(crate) fn write_parts(fd: RawFd, parts: &[&[u8]]) -> isize {
    let (vector, count) = vector_of(parts);
    debug_assert!(count <= PARTS_MAX);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "at most 16 parts"
    )]
    // SAFETY: the first `count` parts are valid for reads of their lengths.
    unsafe {
        libc::writev(fd, vector.as_ptr(), count as libc::c_int)
    }
}

/// Returns the failure of a pipe or terminal whose other end is gone.
pub(crate) fn check(fd: RawFd) -> Result<(), Error> {
    let reported = socket::poll(fd, 0);
    if reported & libc::POLLERR != 0 {
        Err(Error::new(ErrorKind::BrokenPipe))
    } else if reported & libc::POLLHUP != 0 && socket::unread(fd) == 0 {
        Err(Error::new(ErrorKind::NotConnected))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use selkie_core::platform::{Close, Transport};

    use super::*;
    use crate::Platform;
    use crate::selectors::DefaultSelector;

    #[test]
    fn a_pipe_is_read_and_written_like_a_socket() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        let (read, write) = pipe().unwrap();
        let (read, write) = (platform.adopt(read).unwrap(), platform.adopt(write).unwrap());
        let mut buffer = [0; 8];
        assert_eq!(platform.read(read, &mut buffer), Err(Error::WOULD_BLOCK));
        assert_eq!(platform.write(write, b"bytes"), Ok(5));
        assert_eq!(platform.read(read, &mut buffer), Ok(5));
        platform.close(read, Close::Abort).unwrap();
        let broken = platform.write(write, b"bytes").unwrap_err();
        assert!(broken.kind() == ErrorKind::BrokenPipe, "{broken:?}");
    }
}
