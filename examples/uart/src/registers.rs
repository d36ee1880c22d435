//! A device's registers: the one place with accesses to memory outside of Rust's.

use core::ptr;

/// A block of registers.
#[derive(Debug)]
pub(crate) struct Registers(usize);

impl Registers {
    /// Names the block at `base`.
    ///
    /// # Safety
    ///
    /// From `base` on must lie a device's registers, which do nothing to the program's own memory.
    pub(crate) const unsafe fn new(base: usize) -> Self {
        Self(base)
    }

    /// Reads a register of 32 bits.
    pub(crate) fn read(&self, offset: usize) -> u32 {
        // SAFETY: `new` was promised registers at the base.
        unsafe { ptr::read_volatile((self.0 + offset) as *const u32) }
    }

    /// Writes a register of 32 bits.
    pub(crate) fn write(&self, offset: usize, value: u32) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile((self.0 + offset) as *mut u32, value) }
    }

    /// Reads a register of 8 bits.
    #[cfg(target_arch = "riscv32")]
    pub(crate) fn read_byte(&self, offset: usize) -> u8 {
        // SAFETY: as above.
        unsafe { ptr::read_volatile((self.0 + offset) as *const u8) }
    }

    /// Writes a register of 8 bits.
    #[cfg(target_arch = "riscv32")]
    pub(crate) fn write_byte(&self, offset: usize, value: u8) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile((self.0 + offset) as *mut u8, value) }
    }
}
