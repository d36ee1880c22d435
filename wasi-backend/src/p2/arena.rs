//! Memory for the lists that the host returns.
//!
//! A host that returns a list asks the program for memory through its export `cabi_realloc`. The
//! backend answers with the memory in which the caller wants the list, lent for the duration of one
//! call, so nothing is allocated or copied.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// The lent memory, or null. (Components have one thread; the atomics are plain memory that safe
/// code can share.)
static LENT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// Size of the lent memory in bytes.
static LENT_LEN: AtomicUsize = AtomicUsize::new(0);
/// The memory that is lent when the first is taken, or null: for a list in a list.
static NEXT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// Size of that memory in bytes.
static NEXT_LEN: AtomicUsize = AtomicUsize::new(0);

/// Makes a host call, and lends it `memory` for the list that it returns.
pub(crate) fn lend<T, R>(memory: &mut [T], call: impl FnOnce() -> R) -> R {
    LENT_LEN.store(size_of_val(memory), Relaxed);
    LENT.store(memory.as_mut_ptr().cast(), Relaxed);
    let result = call();
    LENT.store(ptr::null_mut(), Relaxed);
    result
}

/// Makes a host call, and lends it `outer` for a list of one, and `inner` for the list in it. A
/// host writes the outer one first, by the canonical ABI.
pub(crate) fn lend_nested<T, R>(outer: &mut T, inner: &mut [u8], call: impl FnOnce() -> R) -> R {
    NEXT_LEN.store(inner.len(), Relaxed);
    NEXT.store(inner.as_mut_ptr(), Relaxed);
    let result = lend(core::slice::from_mut(outer), call);
    NEXT.store(ptr::null_mut(), Relaxed);
    result
}

/// Takes the lent memory, if there is any that fits.
pub(crate) fn take(align: usize, size: usize) -> Option<*mut u8> {
    let lent = LENT.load(Relaxed);
    if lent.is_null()
        || size > LENT_LEN.load(Relaxed)
        || !(lent as usize).is_multiple_of(align.max(1))
    {
        return None;
    }
    LENT_LEN.store(NEXT_LEN.load(Relaxed), Relaxed);
    LENT.store(NEXT.swap(ptr::null_mut(), Relaxed), Relaxed);
    Some(lent)
}

/// Implements the export of [`export_cabi_realloc`](crate::export_cabi_realloc).
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[must_use]
pub fn __cabi_realloc_without_allocator(align: usize, size: usize) -> *mut u8 {
    match take(align, size) {
        Some(lent) => lent,
        // Nothing is written to an empty list, so any aligned address will do.
        None if size == 0 => ptr::without_provenance_mut(align),
        // The host returns a list that the program has not asked for.
        None => core::arch::wasm32::unreachable(),
    }
}

/// Exports `cabi_realloc` from a program without an allocator: the host gets the memory that
/// [`IoPoll`](crate::IoPoll) lends it, and no other.
///
/// A program with a standard library must not use this, since its arguments arrive the same way.
/// The feature `std` exports one that takes all other memory from the system's allocator.
#[macro_export]
macro_rules! export_cabi_realloc {
    () => {
        #[unsafe(export_name = "cabi_realloc")]
        extern "C" fn cabi_realloc(
            _old: *mut u8,
            _old_size: usize,
            align: usize,
            size: usize,
        ) -> *mut u8 {
            $crate::__cabi_realloc_without_allocator(align, size)
        }
    };
}

/// Allocates for the host in a program with a standard library: from the lent memory, or else from
/// the system's allocator, as the export of the C library does, which this one replaces.
#[cfg(feature = "std")]
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};

    if old_size == 0 {
        if let Some(lent) = take(align, size) {
            return lent;
        }
        if size == 0 {
            return ptr::without_provenance_mut(align);
        }
    }
    let (Ok(old_layout), Ok(layout)) =
        (Layout::from_size_align(old_size, align), Layout::from_size_align(size, align))
    else {
        core::arch::wasm32::unreachable()
    };
    // SAFETY: the size is not zero, or there is an old allocation. The canonical ABI returns that
    // as it got it from this function, so it is of the same allocator and layout. Lent memory is
    // never grown, since a list is written in one piece.
    let memory = unsafe {
        if old_size == 0 {
            System.alloc(layout)
        } else {
            System.realloc(old, old_layout, size.max(1))
        }
    };
    if memory.is_null() { handle_alloc_error(layout) } else { memory }
}
