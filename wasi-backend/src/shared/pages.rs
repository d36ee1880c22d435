//! Pages of memory, taken from the linear memory and never given back to it, since that cannot
//! shrink.

use selkie_core::{Error, ErrorKind};

/// Size of a page in bytes.
pub(crate) const PAGE: usize = 1 << 16;

/// Takes a new page.
pub(crate) fn new_page() -> Result<&'static mut [u8], Error> {
    let number = core::arch::wasm32::memory_grow(0, 1);
    if number == usize::MAX {
        return Err(Error::new(ErrorKind::OutOfMemory));
    }
    // SAFETY: the page is new, so this is the only reference to it, and it is zero by the
    // standard. It stays, since memory cannot shrink.
    Ok(unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(number * PAGE), PAGE)
    })
}
