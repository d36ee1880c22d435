//! The same service as an `async fn`, with its tasks in static memory.

use selkie_async::{AsyncService, StaticPool, TaskSlot, TaskTable, WakeFlags, size_of_task};
use selkie_core::Service;
use selkie_services::tasks::echo_in_place;
use static_cell::{ConstStaticCell, StaticCell};

use crate::SLOTS;

static WAKES: WakeFlags<{ WakeFlags::groups(SLOTS) }> = WakeFlags::new();
static TASKS: ConstStaticCell<[TaskSlot; SLOTS]> =
    ConstStaticCell::new([const { TaskSlot::new() }; SLOTS]);
static TABLE: StaticCell<TaskTable<'static>> = StaticCell::new();
static FUTURES: ConstStaticCell<StaticPool<{ size_of_task(echo_in_place) }, SLOTS>> =
    ConstStaticCell::new(StaticPool::new());

/// Returns the echo service.
pub(crate) fn make() -> impl Service<Session = ()> {
    let table = TABLE.init(TaskTable::new(TASKS.take(), WAKES.wakes()));
    AsyncService::new(table, FUTURES.take().pin_for(&echo_in_place), echo_in_place)
}
