//! The memory of a platform.

use crate::cells::Cells;
use crate::handles::Entry;
use crate::watched::Owner;
use crate::watched::Watch;

/// The memory of a platform, from a [`StaticStorage`] or, with the feature `std`, from the heap.
#[derive(Debug)]
pub struct Storage<'a, T: Watch> {
    /// One for each token: indices below this many can be registered.
    pub(crate) places: &'a mut [u32],
    /// One for each source.
    pub(crate) sources: &'a mut [Entry<T>],
    /// Two for each source, and one for the clock.
    pub(crate) items: &'a mut [T::Item],
    /// As many as there are items.
    pub(crate) reports: &'a mut [T::Report],
    /// Two for each source.
    pub(crate) owners: &'a mut [Owner],
}

impl<T: Watch> Storage<'_, T> {
    /// The same memory for a loop of at most `slots` sources; what is left of it is for sources
    /// that are open and not registered.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        let slots = slots.min(self.places.len());
        Self { places: &mut self.places[..slots], ..self }
    }
}

/// The memory of a platform for `SLOTS` sources as one value, for a `static`.
#[derive(Debug)]
pub struct StaticStorage<T: Watch, const SLOTS: usize> {
    places: [u32; SLOTS],
    sources: [Entry<T>; SLOTS],
    items: Cells<T::Item, SLOTS>,
    reports: Cells<T::Report, SLOTS>,
    owners: [[Owner; 2]; SLOTS],
}

impl<T: Watch, const SLOTS: usize> StaticStorage<T, SLOTS> {
    /// All zero, so that a `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            places: [0; SLOTS],
            sources: [Entry::vacant(T::NONE); SLOTS],
            items: Cells::new(T::NO_ITEM),
            reports: Cells::new(T::NO_REPORT),
            owners: [[Owner(0); 2]; SLOTS],
        }
    }

    /// Lends the memory to a platform.
    pub const fn storage(&mut self) -> Storage<'_, T> {
        Storage {
            places: &mut self.places,
            sources: &mut self.sources,
            items: self.items.as_mut_slice(),
            reports: self.reports.as_mut_slice(),
            owners: self.owners.as_flattened_mut(),
        }
    }
}

impl<T: Watch, const SLOTS: usize> Default for StaticStorage<T, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(target_os = "wasi", feature = "std"))]
impl<T: Watch> Storage<'static, T> {
    /// Memory for `capacity` sources, from the heap, for the rest of the program.
    #[must_use]
    pub fn leaked(capacity: usize) -> Self {
        Self {
            places: leaked(capacity, 0),
            sources: leaked(capacity, Entry::vacant(T::NONE)),
            items: leaked(2 * capacity + 1, T::NO_ITEM),
            reports: leaked(2 * capacity + 1, T::NO_REPORT),
            owners: leaked(2 * capacity, Owner(0)),
        }
    }
}

/// A table of `len` times `value` that is never given back.
#[cfg(all(target_os = "wasi", feature = "std"))]
fn leaked<T: Clone>(len: usize, value: T) -> &'static mut [T] {
    std::boxed::Box::leak(std::vec![value; len].into_boxed_slice())
}
