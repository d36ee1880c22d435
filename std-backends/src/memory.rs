//! Memory of a size chosen at start-up: boxed slices of zeros in untouched pages.

use std::alloc::{Layout, alloc_zeroed};

use selkie_core::backend::{HandleEntry, SourceEntry};
use selkie_core::memory::{Block, ConnectionEntry, Entry, LimitEntry, Slot, TimerSlot};
use selkie_core::{Error, ErrorKind, Event};

/// A type of which all bits zero is a value.
///
/// # Safety
///
/// A value whose bytes are all zero, padding included, must be a valid one of the type.
pub unsafe trait Zeroable: Sized {}

/// Implements [`Zeroable`] for the types to which the safety argument in it applies.
macro_rules! zeroable {
    ($($(#[$attribute:meta])* $name:ty),* $(,)?) => {
        $(
            $(#[$attribute])*
            // SAFETY: the type is an integer, or a struct of integers and of enums whose first
            // variant is 0; raw pointers, which some systems' structs have, may be null.
            unsafe impl Zeroable for $name {}
        )*
    };
}

zeroable!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
zeroable!(Slot, TimerSlot, Event, Block, LimitEntry, crate::sys::poll::Entry);
zeroable!(
    #[cfg(has_epoll)]
    libc::epoll_event,
);

// SAFETY: the first byte says if there is a value, and zero says that there is none; then the other
// bytes mean nothing.
unsafe impl<T> Zeroable for Entry<T> {}

// SAFETY: a struct of integers, of enums whose first variant is 0, and of an `Entry`.
unsafe impl<T> Zeroable for ConnectionEntry<T> {}

// SAFETY: no bytes at all.
unsafe impl Zeroable for () {}

// SAFETY: a struct of integers, of enums whose first variant is 0, and of a `T`.
unsafe impl<T: Zeroable> Zeroable for SourceEntry<T> {}

// SAFETY: a struct of integers and of a `T`.
unsafe impl<T: Zeroable> Zeroable for HandleEntry<T> {}

/// Allocates `len` zeros of a type, in pages that are fresh from the system: a large table costs
/// memory only where it is used.
///
/// # Errors
///
/// [`OutOfMemory`](ErrorKind::OutOfMemory) if there is too little.
pub fn try_zeroed_slice<T: Zeroable>(len: usize) -> Result<Box<[T]>, Error> {
    let layout = Layout::array::<T>(len).map_err(|_| Error::new(ErrorKind::OutOfMemory))?;
    if layout.size() == 0 {
        // No memory is needed, either for no elements or for elements without a size.
        // SAFETY: `Zeroable` says that the zeroed value is valid.
        return Ok((0..len).map(|_| unsafe { std::mem::zeroed() }).collect());
    }
    // SAFETY: the layout is not empty.
    let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if start.is_null() {
        return Err(Error::new(ErrorKind::OutOfMemory));
    }
    // SAFETY: the allocator of `Box` gave the memory for exactly this layout, and `Zeroable` says
    // that the zeros in it are `len` valid values.
    Ok(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, len)) })
}

/// Allocates like [`try_zeroed_slice`], and panics if there is too little memory.
///
/// # Panics
///
/// If there is too little memory.
#[must_use]
pub fn zeroed_slice<T: Zeroable>(len: usize) -> Box<[T]> {
    match try_zeroed_slice(len) {
        Ok(slice) => slice,
        Err(error) => panic!("a table of {len} entries of {} bytes: {error}", size_of::<T>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_the_empty_entries() {
        assert!(zeroed_slice::<SourceEntry>(100).iter().all(|entry| *entry == SourceEntry::EMPTY));
        assert!(zeroed_slice::<Slot>(100).iter().all(|entry| *entry == Slot::EMPTY));
        assert!(zeroed_slice::<TimerSlot>(100).iter().all(|entry| *entry == TimerSlot::EMPTY));
        assert!(zeroed_slice::<Event>(100).iter().all(|entry| *entry == Event::EMPTY));
        assert!(zeroed_slice::<u64>(0).is_empty());
    }

    #[test]
    fn too_much_is_a_value() {
        let error = try_zeroed_slice::<u64>(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
