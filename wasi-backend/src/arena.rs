//! Where the host puts the lists that it returns.
//!
//! A host that returns a list asks the program for memory through its export `cabi_realloc`. Here
//! that is the very memory in which the caller wants the list, lent for the duration of one call:
//! nothing is allocated, and nothing copied.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// The memory that is lent, or null. (Components have one thread; the atomics are plain memory that
/// safe code can share.)
static LENT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// How many bytes are lent.
static LENT_LEN: AtomicUsize = AtomicUsize::new(0);

/// Makes a call of the host with `memory` lent to it for the list that it returns.
pub(crate) fn lend<T, R>(memory: &mut [T], call: impl FnOnce() -> R) -> R {
    LENT_LEN.store(size_of_val(memory), Relaxed);
    LENT.store(memory.as_mut_ptr().cast(), Relaxed);
    let result = call();
    LENT.store(ptr::null_mut(), Relaxed);
    result
}

/// The memory that is lent, if there is any that fits. It is lent once.
pub(crate) fn take(align: usize, size: usize) -> Option<*mut u8> {
    let lent = LENT.load(Relaxed);
    if lent.is_null()
        || size > LENT_LEN.load(Relaxed)
        || !(lent as usize).is_multiple_of(align.max(1))
    {
        return None;
    }
    LENT.store(ptr::null_mut(), Relaxed);
    Some(lent)
}

/// What [`export_cabi_realloc`](crate::export_cabi_realloc) exports.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[must_use]
pub fn __cabi_realloc_without_allocator(align: usize, size: usize) -> *mut u8 {
    match take(align, size) {
        Some(lent) => lent,
        // Nothing is written to an empty list, so it may be anywhere that is aligned.
        None if size == 0 => ptr::without_provenance_mut(align),
        // The host wants to return something that this program has never asked for.
        None => core::arch::wasm32::unreachable(),
    }
}

/// Exports `cabi_realloc` from a program without an allocator: the host gets the memory that
/// [`IoPoll`](crate::IoPoll) lends it, and none besides.
///
/// A program with a standard library must not use this, since its arguments come the same way;
/// there, the feature `std` exports one that leaves all else to the system's allocator.
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

/// The export of a program with a standard library: what is not lent comes from the system's
/// allocator, as with the export of the C library, which this one replaces.
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
    // SAFETY: the size is not zero, or there is an old allocation, which the canonical ABI gives
    // back as it got it: from here, hence from the same allocator with the same layout. Lent
    // memory is never grown: lists come in one piece.
    let memory = unsafe {
        if old_size == 0 {
            System.alloc(layout)
        } else {
            System.realloc(old, old_layout, size.max(1))
        }
    };
    if memory.is_null() { handle_alloc_error(layout) } else { memory }
}
