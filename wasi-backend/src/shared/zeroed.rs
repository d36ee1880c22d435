//! Tables of zeros in fresh pages of the linear memory.
//!
//! calloc-clears-all: `alloc_zeroed` is calloc on WASI, which writes zeros even to pages that have
//! just come from `memory.grow`, where the standard says that they are zero. The host then has to
//! provide every page of a table. A table that grows the memory itself costs the host only the
//! pages in use.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::{fmt, ptr, slice};
use std::boxed::Box;

use selkie_core::memory::{Block, ConnectionEntry, LimitEntry, Slot, TimerSlot};
use selkie_core::{Error, ErrorKind, Event};

/// The size of a page, in bytes.
const PAGE: usize = 65_536;

/// The regions of tables that were dropped, as first page and number of pages: the linear memory
/// cannot shrink. (Programs have one thread; the atomics are plain memory that safe code can
/// share.)
static FREE: [[AtomicUsize; 2]; 16] = [const { [const { AtomicUsize::new(0) }; 2] }; 16];

/// A type of which all bits zero is a value.
///
/// # Safety
///
/// A value whose bytes are all zero, padding included, must be a valid one of the type.
pub unsafe trait Zeroable: Copy {}

// SAFETY: a number.
unsafe impl Zeroable for u8 {}
// SAFETY: a struct of integers and of enums whose first variant is 0, as those below.
unsafe impl Zeroable for Slot {}
// SAFETY: as above.
unsafe impl Zeroable for TimerSlot {}
// SAFETY: as above.
unsafe impl Zeroable for Event {}
// SAFETY: as above.
unsafe impl<T: Copy> Zeroable for ConnectionEntry<T> {}
// SAFETY: as above.
unsafe impl Zeroable for Block {}
// SAFETY: as above.
unsafe impl Zeroable for LimitEntry {}

/// A boxed slice that begins as zeros. One of at least a page lies in pages of its own, which cost
/// the host no memory before they are used.
pub struct ZeroedSlice<T> {
    start: NonNull<T>,
    len: usize,
    /// Number of pages, or 0 if the memory is from the allocator.
    pages: usize,
}

impl<T: Zeroable> ZeroedSlice<T> {
    /// Allocates `len` zeros.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) if the host gives no more memory.
    pub fn try_new(len: usize) -> Result<Self, Error> {
        let size = len.checked_mul(size_of::<T>()).ok_or(ErrorKind::OutOfMemory)?;
        if size < PAGE {
            // SAFETY: `Zeroable` says that the zeros are a valid value.
            let zero: T = unsafe { core::mem::zeroed() };
            let start = NonNull::from(Box::leak(std::vec![zero; len].into_boxed_slice())).cast();
            return Ok(Self { start, len, pages: 0 });
        }
        let pages = size.div_ceil(PAGE);
        let start = take_free(pages).or_else(|| grow(pages)).ok_or(ErrorKind::OutOfMemory)?;
        Ok(Self { start: start.cast(), len, pages })
    }

    /// Allocates `len` zeros.
    ///
    /// # Panics
    ///
    /// If the host gives no more memory.
    #[must_use]
    pub fn new(len: usize) -> Self {
        match Self::try_new(len) {
            Ok(table) => table,
            Err(error) => panic!("a table of {len} entries of {} bytes: {error}", size_of::<T>()),
        }
    }
}

/// Grows the memory by so many pages, and returns their start. They are zero by the standard.
fn grow(pages: usize) -> Option<NonNull<u8>> {
    let first = core::arch::wasm32::memory_grow::<0>(pages);
    if first == usize::MAX {
        None
    } else {
        NonNull::new(ptr::with_exposed_provenance_mut(first * PAGE))
    }
}

/// Takes a free region of at least so many pages, and clears them.
fn take_free(pages: usize) -> Option<NonNull<u8>> {
    let [first, count] = FREE.iter().find(|[_, count]| count.load(Relaxed) >= pages)?;
    let rest = count.load(Relaxed) - pages;
    let start = first.load(Relaxed);
    first.store(start + pages, Relaxed);
    count.store(rest, Relaxed);
    let start = NonNull::new(ptr::with_exposed_provenance_mut::<u8>(start * PAGE))?;
    // SAFETY: the region was the memory of a table that was dropped, and is in the list no longer.
    unsafe { start.write_bytes(0, pages * PAGE) };
    Some(start)
}

impl<T> Drop for ZeroedSlice<T> {
    fn drop(&mut self) {
        if self.pages == 0 {
            // SAFETY: the memory is that of a box of this type and length, which was leaked.
            drop(unsafe {
                Box::from_raw(ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len))
            });
        } else if let Some([first, count]) = FREE.iter().find(|[_, count]| count.load(Relaxed) == 0)
        {
            // Without a vacant place the region is never used again.
            first.store(self.start.as_ptr().expose_provenance() / PAGE, Relaxed);
            count.store(self.pages, Relaxed);
        }
    }
}

impl<T> Deref for ZeroedSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the memory has `len` valid values and belongs to this table.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for ZeroedSlice<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the table is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: fmt::Debug> fmt::Debug for ZeroedSlice<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&**self).finish()
    }
}

// SAFETY: the table owns its values.
unsafe impl<T: Send> Send for ZeroedSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for ZeroedSlice<T> {}

/// Allocates `len` zeros of a type, as [`ZeroedSlice::new`].
///
/// # Panics
///
/// If the host gives no more memory.
#[must_use]
pub fn zeroed_slice<T: Zeroable>(len: usize) -> ZeroedSlice<T> {
    ZeroedSlice::new(len)
}
