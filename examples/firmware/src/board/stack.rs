//! The use of the stack.

use core::ptr;

unsafe extern "C" {
    /// The start of the stack: the end of the RAM.
    static _stack_start: u32;
    /// The limit of the stack: the end of the statics.
    static _stack_end: u32;
}

/// Returns the most bytes of the stack that were ever used. The start-up code has painted the
/// stack, and a used word has lost its paint.
#[must_use]
pub fn used_max() -> usize {
    let start = (&raw const _stack_start).addr();
    let mut address = (&raw const _stack_end).addr();
    let is_painted = |address: usize| {
        // SAFETY: the linker script gives all of the RAM between the two symbols to the stack, in
        // whole words; a word that is in use is read as some number.
        let word = unsafe { ptr::read_volatile(address as *const u32) };
        word == cortex_m_rt::STACK_PAINT_VALUE
    };
    while address < start && is_painted(address) {
        address += size_of::<u32>();
    }
    start - address
}
