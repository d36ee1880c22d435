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
