//! Memory for the lists that calls return later: messages and addresses.
//!
//! A host asks for this memory by `cabi_realloc` when a call completes, and does not say which one.
//! So there is a page for each call that can be in flight, and one to spare for a text that an
//! error may have. Whichever completes takes any of them.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use selkie_core::Error;

use super::address::CASE;
use crate::shared::pages::{PAGE, new_page};

/// The memory of one list. No UDP message is longer.
#[repr(C)]
struct Page {
    bytes: [u8; LIST_MAX],
    /// The page that was made before.
    older: *mut Page,
    /// The next vacant page, if this one is vacant.
    next: *mut Page,
}

/// Number of bytes of the longest list.
const LIST_MAX: usize = PAGE - 2 * size_of::<usize>();

/// All pages, and those that are vacant. (Components have one thread; the atomics are plain memory
/// that safe code can share.)
static NEWEST: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());
static VACANT: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());
/// Number of pages, and of those that are reserved.
static PAGES: AtomicUsize = AtomicUsize::new(0);
static RESERVED: AtomicUsize = AtomicUsize::new(0);

/// Reserves a page for one call at a time, until it is [cancelled](cancel).
pub(super) fn reserve() -> Result<(), Error> {
    // One page to spare.
    while PAGES.load(Relaxed) < RESERVED.load(Relaxed) + 2 {
        let page: *mut Page = new_page()?.as_mut_ptr().cast();
        // SAFETY: the page is as large and aligned as that, and not used yet.
        unsafe { (*page).older = NEWEST.load(Relaxed) };
        NEWEST.store(page, Relaxed);
        PAGES.fetch_add(1, Relaxed);
        add(page);
    }
    RESERVED.fetch_add(1, Relaxed);
    Ok(())
}

/// Cancels a reservation, when the memory of its result was
/// [recycled](recycle_result).
pub(super) fn cancel() {
    RESERVED.fetch_sub(1, Relaxed);
}

/// Takes a page for a list of the host's, if there is one and it fits.
pub(crate) fn take(size: usize) -> Option<*mut u8> {
    let page = VACANT.load(Relaxed);
    if page.is_null() || size > LIST_MAX {
        return None;
    }
    // SAFETY: a vacant page is a page of this file.
    VACANT.store(unsafe { (*page).next }, Relaxed);
    Some(page.cast())
}

/// Gives back the memory of a result, `result<list<T>, error-code>` and maybe more: the list, or
/// the text that the error may have if it is this case.
pub(super) fn recycle_result([failed, start, has_text, text]: [u32; 4], text_case: u32) {
    if failed & CASE == 0 {
        recycle(start);
    } else if start & CASE == text_case && has_text & CASE != 0 {
        recycle(text);
    }
}

/// Gives back the memory of a list, if it is a page of this file.
fn recycle(list: u32) {
    let list: *mut Page = ptr::with_exposed_provenance_mut(list as usize);
    let mut page = NEWEST.load(Relaxed);
    while !page.is_null() && page != list {
        // SAFETY: it is a page of this file.
        page = unsafe { (*page).older };
    }
    let mut vacant = VACANT.load(Relaxed);
    while !vacant.is_null() && vacant != page {
        // SAFETY: as above.
        vacant = unsafe { (*vacant).next };
    }
    if !page.is_null() && vacant.is_null() {
        add(page);
    }
}

/// Adds a page to the vacant ones.
fn add(page: *mut Page) {
    // SAFETY: it is a page of this file.
    unsafe { (*page).next = VACANT.load(Relaxed) };
    VACANT.store(page, Relaxed);
}
