//! An array of two items for each source, and one more.

/// Memory for two items of every source, and behind them one of the platform.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct PairArray<T, const SLOTS: usize> {
    pairs: [[T; 2]; SLOTS],
    last: T,
}

impl<T: Copy, const SLOTS: usize> PairArray<T, SLOTS> {
    /// Creates an array of the same value.
    pub(crate) const fn new(value: T) -> Self {
        Self { pairs: [[value; 2]; SLOTS], last: value }
    }

    /// Returns all items.
    pub(crate) const fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: the type has C's layout, in which two arrays of pairs and a single value of one
        // type follow each other without a gap, and the slice borrows the whole of it
        // mutably.
        unsafe { core::slice::from_raw_parts_mut((&raw mut *self).cast(), 2 * SLOTS + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_follow_each_other() {
        let mut array = PairArray::<u32, 3>::new(7);
        for (number, item) in (0..).zip(array.as_mut_slice()) {
            *item = number;
        }
        assert_eq!((array.pairs, array.last), ([[0, 1], [2, 3], [4, 5]], 6));
    }
}
