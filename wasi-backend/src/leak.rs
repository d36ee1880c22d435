//! Memory for the rest of the program.

use std::boxed::Box;

/// A table of `len` times `value` that is never given back.
pub(crate) fn leaked<T: Clone>(len: usize, value: T) -> &'static mut [T] {
    Box::leak(std::vec![value; len].into_boxed_slice())
}
