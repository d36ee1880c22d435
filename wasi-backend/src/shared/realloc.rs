//! The export by which a host asks for memory of its lists.

use core::ptr;

/// Takes memory that a backend has for lists of the host, if there is any that fits.
fn take(align: usize, size: usize) -> Option<*mut u8> {
    #[cfg(target_env = "p2")]
    let lent = crate::p2::arena::take(align, size);
    #[cfg(not(target_env = "p2"))]
    let lent = None;
    // Lists of calls that return later are of bytes, or of pairs of them.
    #[cfg(feature = "waitable-set")]
    let lent = lent.or_else(|| if align > 2 { None } else { crate::p3::take_list(size) });
    lent
}

/// Implements the export of [`export_cabi_realloc`](crate::export_cabi_realloc).
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
/// `IoPoll` lends it, or that `WaitableSet` has for messages and addresses, and no other.
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
#[cfg(all(target_os = "wasi", feature = "std"))]
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
