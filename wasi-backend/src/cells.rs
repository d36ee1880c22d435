//! An array of two cells for each source, and one more.

/// Memory for two items of every source, and one of the platform's own behind them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Cells<T, const SLOTS: usize> {
    pairs: [[T; 2]; SLOTS],
    last: T,
}

impl<T: Copy, const SLOTS: usize> Cells<T, SLOTS> {
    /// All cells with the same value.
    pub(crate) const fn new(value: T) -> Self {
        Self { pairs: [[value; 2]; SLOTS], last: value }
    }

    /// All cells.
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
    fn cells_follow_each_other() {
        let mut cells = Cells::<u32, 3>::new(7);
        for (number, cell) in (0..).zip(cells.as_mut_slice()) {
            *cell = number;
        }
        assert_eq!((cells.pairs, cells.last), ([[0, 1], [2, 3], [4, 5]], 6));
    }
}
