//! A service as tasks, in static memory.

use core::fmt;

use selkie_async::{AsyncService, Conn, StaticPool, TaskSlot, TaskTable, WakeFlags};
use static_cell::{ConstStaticCell, StaticCell};

use crate::SLOTS;

/// The memory of tasks of this size, one for each slot, for a `static`.
pub struct Tasks<const SIZE: usize> {
    wakes: WakeFlags<{ WakeFlags::groups(SLOTS) }>,
    slots: ConstStaticCell<[TaskSlot; SLOTS]>,
    table: StaticCell<TaskTable<'static>>,
    futures: ConstStaticCell<StaticPool<SIZE, SLOTS>>,
}

impl<const SIZE: usize> Tasks<SIZE> {
    /// Returns memory that lies in `.bss`.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for a `static` only")]
    pub const fn new() -> Self {
        Self {
            wakes: WakeFlags::new(),
            slots: ConstStaticCell::new([const { TaskSlot::new() }; SLOTS]),
            table: StaticCell::new(),
            futures: ConstStaticCell::new(StaticPool::new()),
        }
    }

    /// Makes the service that runs a task of `start` for each connection; once. It does not compile
    /// if `SIZE` is not the `size_of_task` of `start`.
    pub fn service<F, Fut>(
        &'static self,
        start: F,
    ) -> AsyncService<'static, F, &'static mut [Option<Fut>]>
    where
        F: Fn(Conn<'static>) -> Fut,
        Fut: Future<Output = ()> + 'static,
    {
        let table = self.table.init(TaskTable::new(self.slots.take(), self.wakes.wakes()));
        AsyncService::new(table, self.futures.take().pin_for(&start), start)
    }
}

impl<const SIZE: usize> fmt::Debug for Tasks<SIZE> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tasks").finish_non_exhaustive()
    }
}
