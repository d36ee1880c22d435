//! Memory for futures in a `static`: their type has no name there, but their size is known.

use core::fmt;
use core::future::Future;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::slice;

use crate::conn::Conn;

/// The largest alignment of a future in a [`StaticPool`].
const ALIGN_MAX: usize = 16;

/// Returns the bytes of one place for the task that `start` makes. A function knows its own size at
/// compile time:
///
/// ```
/// use selkie_async::{Conn, size_of_task};
///
/// async fn echo(mut conn: Conn<'_>) {
///     let _ = conn.receive(|peer, bytes| (peer.send_some(bytes), None::<()>)).await;
/// }
///
/// const { assert!(size_of_task(echo) <= 64) }
/// ```
#[must_use]
pub const fn size_of_task<F, Fut>(start: F) -> usize
where
    F: Fn(Conn<'static>) -> Fut + Copy,
    Fut: Future,
{
    let _ = start;
    size_of::<Option<Fut>>()
}

/// Returns the alignment of one place for the task that `start` makes.
#[must_use]
pub const fn align_of_task<F, Fut>(start: F) -> usize
where
    F: Fn(Conn<'static>) -> Fut + Copy,
    Fut: Future,
{
    let _ = start;
    align_of::<Option<Fut>>()
}

/// The memory of `SLOTS` futures of `SIZE` bytes each, for a `static`.
///
/// ```
/// use selkie_async::{Conn, StaticPool, size_of_task};
///
/// async fn echo(mut conn: Conn<'_>) {
///     let _ = conn.receive(|peer, bytes| (peer.send_some(bytes), None::<()>)).await;
/// }
///
/// let pool: &'static mut StaticPool<{ size_of_task(echo) }, 9> =
///     Box::leak(Box::new(StaticPool::new()));
/// let futures = pool.pin_for(&echo);
/// assert_eq!(futures.len(), 9);
/// ```
#[repr(C, align(16))]
pub struct StaticPool<const SIZE: usize, const SLOTS: usize> {
    places: [[MaybeUninit<u8>; SIZE]; SLOTS],
}

impl<const SIZE: usize, const SLOTS: usize> StaticPool<SIZE, SLOTS> {
    /// Returns memory without a future in it. A `static` of it lies in `.bss`.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: [[MaybeUninit::uninit(); SIZE]; SLOTS] }
    }

    /// Returns an empty place for each of the futures that `start` makes. It does not compile if
    /// `SIZE` is not [`size_of_task`] of it.
    pub fn pin_for<F, Fut>(&'static mut self, start: &F) -> Pin<&'static mut [Option<Fut>]>
    where
        F: Fn(Conn<'static>) -> Fut,
        Fut: Future + 'static,
    {
        const {
            assert!(size_of::<Option<Fut>>() == SIZE, "`SIZE` is `size_of_task` of the function");
            assert!(align_of::<Option<Fut>>() <= ALIGN_MAX, "the future is aligned to more");
        }
        let _ = start;
        let first = self.places.as_mut_ptr().cast::<MaybeUninit<Option<Fut>>>();
        // SAFETY: the pool is aligned to `ALIGN_MAX`, its places are as large as the futures, which
        // have the alignment of their size as all types do, and `MaybeUninit` needs no value. The
        // pool is borrowed for good.
        let places = unsafe { slice::from_raw_parts_mut(first, SLOTS) };
        for place in &mut *places {
            place.write(None);
        }
        // SAFETY: each place was written.
        let futures = unsafe { slice::from_raw_parts_mut(first.cast::<Option<Fut>>(), SLOTS) };
        Pin::static_mut(futures)
    }
}

impl<const SIZE: usize, const SLOTS: usize> Default for StaticPool<SIZE, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SIZE: usize, const SLOTS: usize> fmt::Debug for StaticPool<SIZE, SLOTS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StaticPool").finish_non_exhaustive()
    }
}
