//! What is around the platform under test: far ends, other threads, and signals.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use selkie_core::{Error, ErrorKind};
use selkie_std::{from_errno, raise_descriptor_limit};

/// The far ends of connections, and the threads that do something to them later. It ends those
/// before it goes.
pub(crate) struct World {
    far: Vec<Option<File>>,
    threads: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { far: Vec::new(), threads: Vec::new(), over: Arc::new(AtomicBool::new(false)) }
    }

    /// Takes a far end in, and gives its name.
    pub(crate) fn add(&mut self, fd: OwnedFd) -> Result<usize, Error> {
        unblock(&fd)?;
        self.far.push(Some(File::from(fd)));
        Ok(self.far.len() - 1)
    }

    fn far(&mut self, peer: usize) -> Result<&mut File, Error> {
        self.far[peer].as_mut().ok_or(Error::new(ErrorKind::InvalidInput))
    }

    pub(crate) fn read(&mut self, peer: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        self.far(peer)?.read(buffer).map_err(|error| from_io(&error))
    }

    pub(crate) fn write(&mut self, peer: usize, bytes: &[u8]) -> Result<usize, Error> {
        self.far(peer)?.write(bytes).map_err(|error| from_io(&error))
    }

    pub(crate) fn shutdown_write(&mut self, peer: usize) -> Result<(), Error> {
        let fd = self.far(peer)?.as_raw_fd();
        // SAFETY: the call takes no pointers.
        check(unsafe { libc::shutdown(fd, libc::SHUT_WR) }).map(drop)
    }

    pub(crate) fn close(&mut self, peer: usize) -> Result<(), Error> {
        self.far[peer].take().map(drop).ok_or(Error::new(ErrorKind::InvalidInput))
    }

    /// Resets a connection of TCP.
    pub(crate) fn reset(&mut self, peer: usize) -> Result<(), Error> {
        let fd = self.far(peer)?.as_raw_fd();
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: `linger` is valid for reads of its size.
        check(unsafe {
            let value = (&raw const linger).cast();
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                value,
                length_of::<libc::linger>(),
            )
        })?;
        self.close(peer)
    }

    /// Sends the urgent byte of TCP.
    pub(crate) fn write_urgent(&mut self, peer: usize) -> Result<(), Error> {
        let fd = self.far(peer)?.as_raw_fd();
        // SAFETY: the byte is valid for a read of its size.
        let sent = unsafe { libc::send(fd, c"!".as_ptr().cast(), 1, libc::MSG_OOB) };
        if sent == 1 { Ok(()) } else { Err(last()) }
    }

    pub(crate) fn write_later(
        &mut self,
        peer: usize,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        let mut far = self.far(peer)?.try_clone().map_err(|error| from_io(&error))?;
        self.later(delay, move || far.write_all(bytes).expect("a far end takes a few bytes"));
        Ok(())
    }

    /// Runs `action` in another thread, after a while.
    pub(crate) fn later(&mut self, delay: Duration, action: impl FnOnce() + Send + 'static) {
        self.threads.push(thread::spawn(move || {
            thread::sleep(delay);
            action();
        }));
    }

    /// Sends a signal to this thread, again and again, from another one that ends before this does.
    pub(crate) fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        /// A thread's name, which may be sent to another thread.
        struct Target(libc::pthread_t);
        // SAFETY: the name of a thread is valid in all threads.
        unsafe impl Send for Target {}

        extern "C" fn nothing(_signal: libc::c_int) {}

        // SAFETY: all bits zero is a valid value of this struct: no flags, so calls are not
        // restarted, and an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the action is valid for the call, and its handler does nothing.
        check(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) })?;
        // SAFETY: the call has no preconditions.
        let target = Target(unsafe { libc::pthread_self() });
        let over = Arc::clone(&self.over);
        self.threads.push(thread::spawn(move || {
            let target = target;
            let start = Instant::now();
            while start.elapsed() < span && !over.load(Ordering::Relaxed) {
                thread::sleep(period);
                // SAFETY: the target waits for this thread before it ends.
                unsafe { libc::pthread_kill(target.0, libc::SIGUSR1) };
            }
        }));
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of the world ends");
        }
    }
}

/// Lets other threads and the system go on for about a millisecond.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(1));
}

/// Returns the processor time that this thread has used.
pub(crate) fn busy_time() -> Result<Duration, Error> {
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: `time` is a valid place for the result.
    check(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) })?;
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Ok(Duration::new(seconds.expect("not negative"), nanos.expect("below a second")))
}

/// Returns numbers for descriptors that a test closes behind its selector's back. Each is used once
/// before any is used again, so that no other test gets one while it is expected to be closed. Some
/// systems' `select` takes none from 1024 on.
fn numbers() -> Range<RawFd> {
    static NUMBERS: OnceLock<Range<RawFd>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        if cfg!(target_vendor = "apple") {
            return 400..1_000;
        }
        // As many as can be had: where there are too few, the cases that need more are not
        // applicable.
        let limit =
            raise_descriptor_limit(16_384).or_else(|limit| raise_descriptor_limit(limit.allowed));
        let limit = limit.ok().and_then(|limit| RawFd::try_from(limit).ok()).unwrap_or(1_024);
        limit.min(4_000) / 2..limit.min(16_384)
    });
    numbers.clone()
}

/// Makes room for the descriptors of all tests that run at the same time.
pub(crate) fn raise_limit() {
    numbers();
}

/// Moves a descriptor to a number of its own, so that it can be closed without anybody else getting
/// the number.
pub(crate) fn moved(fd: &OwnedFd) -> Result<OwnedFd, Error> {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    let numbers = numbers();
    let number =
        numbers.start + NEXT.fetch_add(1, Ordering::Relaxed) % (numbers.end - numbers.start);
    // SAFETY: the call takes no pointers.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) })
}

/// Returns an address without a listener, for as long as the descriptor that has it is open.
pub(crate) fn refusing() -> Result<(OwnedFd, SocketAddr), Error> {
    // SAFETY: the call takes no pointers.
    let socket = owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) })?;
    // SAFETY: all bits zero is a valid value of this struct of integers.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family =
        libc::sa_family_t::try_from(libc::AF_INET).expect("families are small numbers");
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let mut length = length_of::<libc::sockaddr_in>();
    // SAFETY: the address is valid for reads of its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    // SAFETY: the address is valid for writes of its length, and so is the length.
    check(unsafe {
        libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length)
    })?;
    Ok((socket, ([127, 0, 0, 1], u16::from_be(address.sin_port)).into()))
}

/// Takes the descriptor that a call has just made.
pub(crate) fn owned(result: libc::c_int) -> Result<OwnedFd, Error> {
    let fd = check(result)?;
    // SAFETY: the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn check(result: libc::c_int) -> Result<libc::c_int, Error> {
    if result < 0 { Err(last()) } else { Ok(result) }
}

pub(crate) fn from_io(error: &io::Error) -> Error {
    error.raw_os_error().map_or(Error::new(ErrorKind::Other), from_errno)
}

fn last() -> Error {
    from_io(&io::Error::last_os_error())
}

/// Makes a descriptor non-blocking.
pub(crate) fn unblock(fd: &OwnedFd) -> Result<(), Error> {
    // SAFETY: the calls take no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a few bytes")
}
