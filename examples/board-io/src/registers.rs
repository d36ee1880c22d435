//! A device's registers: the one place with accesses to memory outside of Rust's.

use core::ptr;

/// A block of registers.
#[derive(Debug)]
pub struct Registers {
    base: usize,
}

impl Registers {
    /// Names the block at `base`.
    ///
    /// # Safety
    ///
    /// From `base` on must lie a device's block of 4 KiB, which the caller owns, and whose
    /// registers do nothing to the program's own memory.
    #[must_use]
    pub const unsafe fn new(base: usize) -> Self {
        Self { base }
    }

    /// Reads a register of 32 bits.
    #[must_use]
    pub fn read(&self, offset: usize) -> u32 {
        debug_assert!(
            offset < 0x1000 && offset.is_multiple_of(4),
            "a register lies within its block"
        );
        // SAFETY: `new` was promised a block of registers at `base`, which are aligned and can be
        // read at any time.
        unsafe { ptr::read_volatile((self.base + offset) as *const u32) }
    }

    /// Writes a register of 32 bits.
    pub fn write(&self, offset: usize, value: u32) {
        debug_assert!(
            offset < 0x1000 && offset.is_multiple_of(4),
            "a register lies within its block"
        );
        // SAFETY: `new` was promised a block of registers at `base` that the caller owns and that
        // does not touch memory.
        unsafe { ptr::write_volatile((self.base + offset) as *mut u32, value) }
    }

    /// Reads a register of 8 bits.
    #[must_use]
    pub fn read_byte(&self, offset: usize) -> u8 {
        debug_assert!(offset < 0x1000, "a register lies within its block");
        // SAFETY: as in `read`; a byte is always aligned.
        unsafe { ptr::read_volatile((self.base + offset) as *const u8) }
    }

    /// Writes a register of 8 bits.
    pub fn write_byte(&self, offset: usize, value: u8) {
        debug_assert!(offset < 0x1000, "a register lies within its block");
        // SAFETY: as in `write`; a byte is always aligned.
        unsafe { ptr::write_volatile((self.base + offset) as *mut u8, value) }
    }
}
