//! The fuzzer's bytes, as what several parties choose by turns.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A row of bytes that is drawn from, in common with all clones. When they are used up, every
/// choice is 0.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    bytes: Rc<RefCell<Vec<u8>>>,
    drawn: Rc<Cell<usize>>,
}

impl Choices {
    /// Draws from these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: Rc::new(RefCell::new(bytes.to_vec())), drawn: Rc::default() }
    }

    /// Returns whether all bytes are drawn.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.drawn.get() >= self.bytes.borrow().len()
    }

    /// Returns the next byte.
    #[must_use]
    pub fn byte(&self) -> u8 {
        let at = self.drawn.replace(self.drawn.get() + 1);
        self.bytes.borrow().get(at).copied().unwrap_or(0)
    }

    /// Returns a number below `bound`, which is at most 256, or 0 if there is none.
    #[must_use]
    pub fn below(&self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Returns the next `N` bytes.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        core::array::from_fn(|_| self.byte())
    }

    /// Returns one of `values`, if there is any.
    #[must_use]
    pub fn pick<T: Copy>(&self, values: &[T]) -> Option<T> {
        values.get(self.below(values.len())).copied()
    }
}
