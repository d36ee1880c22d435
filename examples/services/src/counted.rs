//! The counts of a service, for a program that prints them.

use core::ops::DerefMut;

use selkie_async::AsyncService;

use crate::Echo;

/// A service with counts of its own, beside those of its server.
pub trait Counted {
    /// Calls `each` with the name of each count, and its value. There are none by default.
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let _ = each;
    }
}

impl Counted for Echo {}

impl<F, P: DerefMut, const CONNECTS: bool> Counted for AsyncService<'_, F, P, CONNECTS> {}
