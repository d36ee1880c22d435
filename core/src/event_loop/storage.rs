//! Where tables live: in memory that the caller provides.

/// An array that a table keeps its entries in: `&mut [T]`, `[T; N]`, `Box<[T]>`, `heapless::Vec<T,
/// N>`.
///
/// Core never allocates. Firmware and WebAssembly lend it static arrays, a native program lends it
/// memory whose size was chosen at start-up, and the code is the same. Every entry type has an
/// `EMPTY` value that is all zero bits, so that large tables live in `.bss` or in fresh pages, and
/// never pass through the stack.
///
/// Implemented for everything that is both `AsRef<[T]>` and `AsMut<[T]>`; the array must not change
/// its length.
pub trait Storage<T>: AsRef<[T]> + AsMut<[T]> {}

impl<T, S: AsRef<[T]> + AsMut<[T]> + ?Sized> Storage<T> for S {}
