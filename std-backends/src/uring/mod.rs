//! A platform over `io_uring`: the kernel accepts, receives and sends by itself, and one call a
//! turn takes the completions. For Linux 6.12 and later.
//!
//! | file | contents |
//! | --- | --- |
//! | `memory.rs` | the memory that the kernel writes to, and the sizes |
//! | `ring.rs`, `kernel.rs` | the queues that are shared with the kernel, and its calls |
//! | `input.rs` | the buffers that the kernel fills |
//! | `endpoint.rs` | the state of one source |
//! | `parked.rs` | connections that were accepted and not taken yet |
//! | `operations.rs` | the operations that are submitted |
//! | `closing.rs` | the steps from a close to a free place |
//! | `releasing.rs` | descriptors that go back to the caller |
//! | `completions.rs` | their results |
//! | `selector.rs`, `transport.rs` | the contracts |
//!
//! A place in the table of sources is used again only when the kernel has completed every operation
//! of the source before. So a completion always belongs to the source in the place that it names.

mod closing;
mod completions;
mod endpoint;
mod input;
mod kernel;
mod memory;
#[cfg(test)]
mod model;
mod operations;
mod parked;
mod releasing;
mod ring;
mod selector;
mod transport;

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::time::Duration;

use rustix::io::Errno;
use rustix::io_uring::io_uring_params;
use selkie_core::backend::{Handle, HandleTable, SourceTable};
use selkie_core::backend::{HandleEntry, SourceEntry};
use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};

use crate::platform::listener;
use crate::sys::clock::Clock;
use crate::sys::{file, socket};
use crate::waker::WakeSource;
use endpoint::{Endpoint, Kind, Repeated};
use input::Buffers;
use kernel::Kernel;
use memory::Span;
use parked::ParkedTable;
use ring::Ring;

pub use memory::UringStorage;

/// The interval at which a platform that is dropped cancels what is left.
const CANCEL_INTERVAL: Duration = Duration::from_millis(10);
/// The time after which a closed connection is reset if its peer takes nothing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Names a source of a [`Uring`]: a listener, a connection, an adopted descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UringSocket(Handle);

/// A platform over `io_uring`.
///
/// The kernel accepts and receives ahead, into memory of the platform, and sends from there, so one
/// system call a turn serves every connection that is ready. Waiting input and pending output are
/// in the platform's buffers ([`OWNS_BUFFERS`](selkie_core::platform::Transport::OWNS_BUFFERS)): a
/// connection keeps at most 20 KiB of input, less where there are more than 6,500 sockets, and
/// 16 KiB of output. What is beyond that stays in the kernel, and so with the peer.
///
/// It may be made on one thread and run on another; the thread that waits first is the one that
/// waits from then on. On another one a wait, a poll and all else that enters the ring fail with
/// [`PermissionDenied`](ErrorKind::PermissionDenied).
///
/// ```
/// use selkie_std::uring::{Uring, UringStorage};
///
/// # fn main() -> Result<(), selkie_core::Error> {
/// match UringStorage::leaked(64).and_then(Uring::new) {
///     Ok(mut platform) => {
///         let listener = platform.listen(([127, 0, 0, 1], 0).into(), 128)?;
///         assert_ne!(platform.local_address(listener)?.port(), 0);
///     }
///     Err(error) => println!("{}", selkie_std::uring::uring_advice(error)),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Uring {
    ring: Ring,
    buffers: Buffers,
    /// The output of the source at each place.
    output: NonNull<u8>,
    endpoints: HandleTable<&'static mut [HandleEntry<Endpoint>], Endpoint>,
    /// The registrations, and the place of each one's source.
    sources: SourceTable<&'static mut [SourceEntry<u32>], u32>,
    parked: ParkedTable,
    /// Set while a multishot operation accepts connections. There is one at a time, so that the
    /// connections that wait fit into their table.
    accepts_many: bool,
    /// The queue of sources that may be ready: the first and the last place + 1, or 0.
    ready_first: u32,
    ready_last: u32,
    waker: Option<WakeSource>,
    watching_waker: Repeated,
    is_woken: bool,
    /// Set when the last turn reported the waker.
    was_woken: bool,
    clock: Clock,
    /// The most buffers that a connection keeps.
    held_max: u32,
    /// The sources that are open, and the most that may be.
    open: usize,
    open_max: usize,
    /// Operations that the kernel has not completed.
    operations: usize,
    /// The time after which a closed connection is reset if its peer takes nothing.
    close_timeout: &'static mut [Span],
}

// SAFETY: the pointer is to memory that belongs to the platform for as long as the process runs.
unsafe impl Send for Uring {}

impl Uring {
    /// Makes a platform in memory that the kernel writes to from now on.
    ///
    /// # Errors
    ///
    /// What the kernel says; [`uring_advice`] says what to do.
    pub fn new(storage: UringStorage) -> Result<Self, Error> {
        // SAFETY: the memory of a storage has the right sizes, and is `'static`.
        Self::over(|params| unsafe { Kernel::linux(params) }, storage)
    }

    /// Makes a platform over a ring of which `setup` makes the other side.
    fn over(
        setup: impl FnOnce(&mut io_uring_params) -> Result<Kernel, Errno>,
        storage: UringStorage,
    ) -> Result<Self, Error> {
        let ring = Ring::new(setup, storage.submissions, storage.queues)?;
        let rings = (storage.provided, storage.shared);
        let mut buffers = Buffers::new(&ring, rings, storage.input, storage.buffers)?;
        buffers.provide();
        Ok(Self {
            ring,
            buffers,
            output: NonNull::from(storage.output).cast(),
            open_max: storage.sockets,
            endpoints: HandleTable::new(storage.endpoints),
            sources: SourceTable::new(storage.sources),
            parked: ParkedTable::new(storage.parked),
            accepts_many: false,
            ready_first: 0,
            ready_last: 0,
            waker: None,
            watching_waker: Repeated::Idle,
            is_woken: false,
            was_woken: false,
            clock: Clock::new(),
            #[expect(clippy::cast_possible_truncation, reason = "a small number")]
            held_max: storage.held_max as u32,
            open: 0,
            operations: 0,
            close_timeout: storage.close_timeout,
        }
        .with_close_timeout(CLOSE_TIMEOUT))
    }

    /// Resets a closed connection whose peer takes none of the pending output for `timeout`, 10
    /// seconds by default, which is noticed after twice that at the latest. Until then it keeps its
    /// place, as one of the sockets of the [`UringStorage`].
    #[must_use]
    pub fn with_close_timeout(self, timeout: Duration) -> Self {
        self.close_timeout[0] = Span {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: i64::from(timeout.subsec_nanos()),
        };
        self
    }

    /// Opens a TCP listener at `address`, with a backlog.
    ///
    /// # Errors
    ///
    /// As [`Platform::listen`](crate::Platform::listen).
    pub fn listen(&mut self, address: SocketAddr, backlog: u32) -> Result<UringSocket, Error> {
        self.listen_with(address, &ListenOptions::DEFAULT.backlog(backlog))
    }

    /// Opens a TCP listener at `address` in the given way.
    ///
    /// # Errors
    ///
    /// As [`Platform::listen`](crate::Platform::listen).
    pub fn listen_with(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> Result<UringSocket, Error> {
        let listener = listener::open(address, options)?;
        self.insert(listener, Kind::Listener)
    }

    /// Takes ownership of a descriptor that was opened elsewhere.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), with the descriptor, unchanged.
    pub fn adopt(&mut self, fd: OwnedFd) -> Result<UringSocket, (Error, OwnedFd)> {
        if !self.has_room() {
            return Err((ErrorKind::Full.into(), fd));
        }
        let kind = match socket::is_socket(fd.as_fd()) {
            false => Kind::File,
            true if socket::is_listener(fd.as_raw_fd()) => Kind::Listener,
            true => Kind::Stream,
        };
        let endpoint = match prepare(fd.as_fd(), kind) {
            Ok(endpoint) => endpoint,
            Err(error) => return Err((error, fd)),
        };
        match self.endpoints.insert(endpoint) {
            Ok(handle) => {
                let _owned_by_the_endpoint = fd.into_raw_fd();
                self.open += 1;
                Ok(UringSocket(handle))
            }
            Err(_) => Err((ErrorKind::Full.into(), fd)),
        }
    }

    /// Returns the descriptor, for what this platform does not offer, such as a socket option.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn fd(&self, source: UringSocket) -> Result<BorrowedFd<'_>, Error> {
        let endpoint = self.live(source)?;
        // SAFETY: the endpoint owns the descriptor, which stays open while `self` is borrowed.
        Ok(unsafe { BorrowedFd::borrow_raw(endpoint.fd) })
    }

    /// Returns the address of this end of a socket.
    ///
    /// # Errors
    ///
    /// As [`Platform::local_address`](crate::Platform::local_address).
    pub fn local_address(&self, source: UringSocket) -> Result<SocketAddr, Error> {
        socket::local_address(self.live(source)?.fd)
    }

    /// Returns the address of the other end of a connection.
    ///
    /// # Errors
    ///
    /// As [`Platform::peer_address`](crate::Platform::peer_address).
    pub fn peer_address(&self, source: UringSocket) -> Result<SocketAddr, Error> {
        socket::peer_address(self.live(source)?.fd)
    }

    /// Submits the operations that have begun, and takes the completions. Each poll and each wait
    /// does this; it is for callers that write outside of them.
    ///
    /// # Errors
    ///
    /// As [`poll`](selkie_core::platform::Selector::poll).
    pub fn submit(&mut self) -> Result<(), Error> {
        self.buffers.provide();
        self.ring.enter(0, None)?;
        self.take_completions();
        Ok(())
    }

    /// Returns true if another source may be opened.
    fn has_room(&self) -> bool {
        self.open < self.open_max && self.endpoints.has_room()
    }

    /// Takes ownership of a descriptor.
    fn insert(&mut self, fd: OwnedFd, kind: Kind) -> Result<UringSocket, Error> {
        if !self.has_room() {
            return Err(ErrorKind::Full.into());
        }
        let endpoint = Endpoint::new(fd.as_raw_fd(), kind);
        let handle = self.endpoints.insert(endpoint).map_err(|_| ErrorKind::Full)?;
        let _owned_by_the_endpoint = fd.into_raw_fd();
        self.open += 1;
        Ok(UringSocket(handle))
    }

    /// Returns a source that was not closed.
    #[inline]
    fn live(&self, source: UringSocket) -> Result<&Endpoint, Error> {
        match self.endpoints.get(source.0) {
            Ok(endpoint) if endpoint.closing.is_none() => Ok(endpoint),
            _ => Err(ErrorKind::Stale.into()),
        }
    }

    /// Returns a source that was not closed, to be changed.
    #[inline]
    fn live_mut(&mut self, source: UringSocket) -> Result<&mut Endpoint, Error> {
        match self.endpoints.get_mut(source.0) {
            Ok(endpoint) if endpoint.closing.is_none() => Ok(endpoint),
            _ => Err(ErrorKind::Stale.into()),
        }
    }

    /// Returns the source at a place that is in use.
    fn at(&mut self, index: usize) -> Option<&mut Endpoint> {
        self.endpoints.at_mut(index).map(|(_, endpoint)| endpoint)
    }
}

/// Prepares a descriptor that was opened elsewhere: nothing on it may block.
fn prepare(fd: BorrowedFd<'_>, kind: Kind) -> Result<Endpoint, Error> {
    let mut endpoint = Endpoint::new(fd.as_raw_fd(), kind);
    if kind == Kind::File {
        endpoint.was_blocking = file::set_nonblocking(fd)?;
        return Ok(endpoint);
    }
    socket::adopt(fd)?;
    socket::clear_linger(fd.as_raw_fd())?;
    if kind == Kind::Listener {
        // Its connections inherit it.
        socket::set_no_delay(fd.as_raw_fd());
    }
    Ok(endpoint)
}

impl Drop for Uring {
    /// Cancels every operation and takes the last completion (late-completions), then closes.
    fn drop(&mut self) {
        while self.operations > 0 {
            self.ring.cancel_all();
            // Again after a while: an entry may leave submissions behind, which are not cancelled.
            let until = self.clock.absolute(self.clock.now() + CANCEL_INTERVAL);
            if self.ring.enter(1, Some(until)).is_err() {
                break;
            }
            while let Some(completion) = self.ring.pop() {
                self.operations -= usize::from(!operations::is_followed(completion.flags));
            }
        }
        for index in 0..self.endpoints.capacity() {
            let Some((handle, endpoint)) = self.endpoints.at(index) else { continue };
            let endpoint = *endpoint;
            self.release_place(handle, endpoint);
        }
    }
}

/// Returns advice about an error of [`Uring::new`] or of a wait, in one sentence.
#[must_use]
pub fn uring_advice(error: Error) -> &'static str {
    match error.code() {
        Some(libc::ENOSYS | libc::EPERM) => {
            "this system does not allow io_uring: use another backend, or allow \
             `io_uring_setup` in the container's seccomp profile and kernel.io_uring_disabled"
        }
        Some(libc::EINVAL) => "io_uring needs Linux 6.12 or later here: use another backend",
        Some(libc::ENOMEM) => {
            "the kernel may not lock the memory of the ring: raise RLIMIT_MEMLOCK (`ulimit -l`) \
             to 64 KiB for each ring, of which each shard has one"
        }
        Some(libc::EEXIST) => "another thread waited on this ring first, so only that one may wait",
        _ => "use another backend",
    }
}
