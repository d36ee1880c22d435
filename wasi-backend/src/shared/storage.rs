//! The memory of a platform.

use crate::shared::pair_array::PairArray;
use crate::shared::poll_list::PollSource;
use crate::shared::poll_list::SubscriptionId;
use crate::shared::socket_table::{Entry, vacant};

/// The memory of a platform, from a [`StaticStorage`] or, with the feature `std`, from the heap.
#[derive(Debug)]
pub struct Storage<'a, T: PollSource> {
    /// One for each token index that can be registered.
    pub(crate) token_slots: &'a mut [u32],
    /// One for each source.
    pub(crate) sources: &'a mut [Entry<T>],
    /// Two for each source, and one for the clock.
    pub(crate) items: &'a mut [T::Item],
    /// As many as items.
    pub(crate) reports: &'a mut [T::Report],
    /// Two for each source.
    pub(crate) ids: &'a mut [SubscriptionId],
}

impl<T: PollSource> Storage<'_, T> {
    /// Limits the loop to `slots` sources. The rest of the memory is for sources that are open and
    /// not registered.
    #[must_use]
    pub fn with_slots(self, slots: usize) -> Self {
        let slots = slots.min(self.token_slots.len());
        Self { token_slots: &mut self.token_slots[..slots], ..self }
    }
}

/// The memory of a platform for `SLOTS` sources as one value, for a `static`.
#[derive(Debug)]
pub struct StaticStorage<T: PollSource, const SLOTS: usize> {
    token_slots: [u32; SLOTS],
    sources: [Entry<T>; SLOTS],
    items: PairArray<T::Item, SLOTS>,
    reports: PairArray<T::Report, SLOTS>,
    ids: [[SubscriptionId; 2]; SLOTS],
}

impl<T: PollSource, const SLOTS: usize> StaticStorage<T, SLOTS> {
    /// Creates memory of zeros, so that a `static` of it is in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            token_slots: [0; SLOTS],
            sources: [vacant(T::NONE); SLOTS],
            items: PairArray::new(T::NO_ITEM),
            reports: PairArray::new(T::NO_REPORT),
            ids: [[SubscriptionId(0); 2]; SLOTS],
        }
    }

    /// Lends the memory to a platform.
    pub const fn storage(&mut self) -> Storage<'_, T> {
        Storage {
            token_slots: &mut self.token_slots,
            sources: &mut self.sources,
            items: self.items.as_mut_slice(),
            reports: self.reports.as_mut_slice(),
            ids: self.ids.as_flattened_mut(),
        }
    }
}

impl<T: PollSource, const SLOTS: usize> Default for StaticStorage<T, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(target_os = "wasi", feature = "std"))]
impl<T: PollSource> Storage<'static, T> {
    /// Returns the bytes that [`leaked`](Self::leaked) allocates.
    #[must_use]
    pub const fn memory(capacity: usize) -> usize {
        let pair = size_of::<T::Item>() + size_of::<T::Report>();
        let source = size_of::<u32>() + size_of::<Entry<T>>() + 2 * size_of::<SubscriptionId>();
        capacity.saturating_mul(source + 2 * pair).saturating_add(pair)
    }

    /// Allocates memory for `capacity` sources, which is never freed.
    #[must_use]
    pub fn leaked(capacity: usize) -> Self {
        Self {
            token_slots: leaked(capacity, 0),
            sources: leaked(capacity, vacant(T::NONE)),
            items: leaked(2 * capacity + 1, T::NO_ITEM),
            reports: leaked(2 * capacity + 1, T::NO_REPORT),
            ids: leaked(2 * capacity, SubscriptionId(0)),
        }
    }
}

/// Allocates a table of `len` times `value` that is never freed.
#[cfg(all(target_os = "wasi", feature = "std"))]
fn leaked<T: Clone>(len: usize, value: T) -> &'static mut [T] {
    std::boxed::Box::leak(std::vec![value; len].into_boxed_slice())
}
