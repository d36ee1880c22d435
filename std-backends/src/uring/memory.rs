//! The memory of a ring, which the kernel writes to.

use selkie_core::Error;
use selkie_core::backend::{HandleEntry, SourceEntry};

use super::endpoint::Endpoint;
use crate::memory::{Zeroable, try_zeroed_slice};

// Unit tests make all of these small, so that each limit is reached often (`model/`).

/// The size and alignment of a page.
pub(super) const PAGE: usize = 4096;
/// Entries of the submission queue. More submissions than that in one turn take another call.
pub(super) const SUBMISSIONS: u32 = if cfg!(test) { 8 } else { 256 };
/// Entries of the completion queue. The kernel keeps what does not fit.
pub(super) const COMPLETIONS: u32 = if cfg!(test) { 16 } else { 1024 };
/// Buffers that the kernel may fill before the platform runs again.
pub(super) const PROVIDED: usize = if cfg!(test) { 4 } else { 256 };
/// The same while a connection has found none. A power of two: the size of the ring of buffers.
pub(super) const PROVIDED_MAX: usize = if cfg!(test) { 8 } else { 512 };
/// Buffers for multishot receives. All connections share them, and none depends on them.
pub(super) const SHARED: usize = if cfg!(test) { 4 } else { 256 };
/// The size of a buffer for received bytes.
pub(super) const BUFFER: u32 = if cfg!(test) { 64 } else { 2048 };
/// The distance of two such buffers. A power of two would have the first lines of all compete for
/// the same few places of the processor's caches.
pub(super) const BUFFER_STRIDE: usize = BUFFER as usize + LINE;
/// The most buffers that a connection keeps: input beyond that stays in the kernel.
pub(super) const HELD_MAX: usize = if cfg!(test) { 3 } else { 10 };
/// The most buffers that a connection keeps before its multishot receive is cancelled.
pub(super) const HELD_SHARED: u32 = if cfg!(test) { 1 } else { 2 };
/// The free places below which connections are accepted one at a time.
pub(super) const FEW_PLACES: usize = if cfg!(test) { 2 } else { 64 };
/// The size of a connection's buffer for bytes to send.
pub(super) const OUTPUT: u32 = if cfg!(test) { 256 } else { 16 << 10 };
/// The distance of two such buffers.
pub(super) const OUTPUT_STRIDE: usize = OUTPUT as usize + LINE;
/// A line of a cache.
const LINE: usize = 64;
/// The numbers that a buffer can have.
const BUFFERS_MAX: usize = 1 << 16;

/// Memory that begins at a page.
#[repr(C, align(4096))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Page([u8; PAGE]);

// SAFETY: an array of integers.
unsafe impl Zeroable for Page {}

/// A span of time, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

// SAFETY: a struct of integers.
unsafe impl Zeroable for Span {}

/// A buffer for received bytes: its place in a list, and how many bytes are in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buffer {
    /// The next one of the same list + 1, or 0.
    pub(super) next: u32,
    pub(super) length: u32,
}

// SAFETY: a struct of integers.
unsafe impl Zeroable for Buffer {}

/// A connection that was accepted and not taken yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parked {
    pub(super) fd: i32,
    /// The next one of the same list + 1, or 0.
    pub(super) next: u32,
}

// SAFETY: a struct of integers.
unsafe impl Zeroable for Parked {}

/// The memory of a [`Uring`](super::Uring), which the kernel writes to as long as the process runs.
///
/// Untouched pages cost nothing. The kernel keeps the pages of its queues, about 52 KiB, in memory
/// (`RLIMIT_MEMLOCK`).
#[derive(Debug)]
pub struct UringStorage {
    pub(super) submissions: &'static mut [Page],
    pub(super) queues: &'static mut [Page],
    pub(super) provided: &'static mut [Page],
    pub(super) shared: &'static mut [Page],
    pub(super) input: &'static mut [u8],
    pub(super) buffers: &'static mut [Buffer],
    pub(super) output: &'static mut [u8],
    pub(super) parked: &'static mut [Parked],
    /// One, which is read when it is handed to the kernel.
    pub(super) close_timeout: &'static mut [Span],
    pub(super) endpoints: &'static mut [HandleEntry<Endpoint>],
    pub(super) sources: &'static mut [SourceEntry<u32>],
    pub(super) sockets: usize,
    pub(super) held_max: usize,
}

/// The largest number of sockets: each keeps up to two buffers at least.
const SOCKETS_MAX: usize = (BUFFERS_MAX - PROVIDED - SHARED) / 2;

/// The bytes of the two queues without the submissions.
const QUEUES: usize = 1024 + COMPLETIONS as usize * 16;

/// The sizes of the tables for a number of sockets.
struct Sizes {
    places: usize,
    /// The most buffers that a connection keeps.
    held_max: usize,
    buffers: usize,
}

impl Sizes {
    fn of(sockets: usize) -> Self {
        // A socket that is being closed keeps its place until the kernel has let go of it.
        let places = sockets + sockets.min(64) + 1;
        let held_max = ((BUFFERS_MAX - PROVIDED - SHARED) / places).clamp(1, HELD_MAX);
        Self { places, held_max, buffers: places * held_max + PROVIDED + SHARED }
    }
}

/// Makes a table that is never given back: the kernel may write to it until the process ends.
fn leaked<T: Zeroable>(len: usize) -> Result<&'static mut [T], Error> {
    try_zeroed_slice(len).map(Box::leak)
}

impl UringStorage {
    /// Takes memory for `sockets` sockets, listeners included, and never gives it back.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory);
    /// [`InvalidInput`](selkie_core::ErrorKind::InvalidInput) for more than 32,512 sockets.
    pub fn leaked(sockets: usize) -> Result<Self, Error> {
        Self::leaked_for(sockets, sockets)
    }

    /// Takes memory for `sockets` sockets, of which `registered` are watched at once.
    ///
    /// # Errors
    ///
    /// As [`leaked`](Self::leaked).
    pub fn leaked_for(registered: usize, sockets: usize) -> Result<Self, Error> {
        if sockets > SOCKETS_MAX {
            return Err(selkie_core::ErrorKind::InvalidInput.into());
        }
        let Sizes { places, held_max, buffers } = Sizes::of(sockets);
        Ok(Self {
            submissions: leaked((SUBMISSIONS as usize * 64).div_ceil(PAGE))?,
            queues: leaked(QUEUES.div_ceil(PAGE))?,
            provided: leaked((PROVIDED_MAX * 16).div_ceil(PAGE))?,
            shared: leaked((SHARED * 16).div_ceil(PAGE))?,
            input: leaked(buffers * BUFFER_STRIDE)?,
            buffers: leaked(buffers)?,
            output: leaked(places * OUTPUT_STRIDE)?,
            parked: leaked(3 * COMPLETIONS as usize)?,
            close_timeout: leaked(1)?,
            endpoints: leaked(places)?,
            sources: leaked(registered)?,
            sockets,
            held_max,
        })
    }

    /// Returns the bytes of all tables.
    #[must_use]
    pub fn memory(&self) -> usize {
        Self::memory_for(self.sources.len(), self.sockets)
    }

    /// Returns the bytes that [`leaked_for`](Self::leaked_for) takes for so many sockets.
    #[must_use]
    pub fn memory_for(registered: usize, sockets: usize) -> usize {
        let Sizes { places, buffers, .. } = Sizes::of(sockets.min(SOCKETS_MAX));
        let pages = [SUBMISSIONS as usize * 64, QUEUES, PROVIDED_MAX * 16, SHARED * 16];
        let pages: usize = pages.map(|bytes| bytes.next_multiple_of(PAGE)).iter().sum();
        pages
            + buffers * (BUFFER_STRIDE + size_of::<Buffer>())
            + places * (OUTPUT_STRIDE + size_of::<HandleEntry<Endpoint>>())
            + 3 * COMPLETIONS as usize * size_of::<Parked>()
            + size_of::<Span>()
            + registered * size_of::<SourceEntry<u32>>()
    }
}
