//! The echo server on a microcontroller as an `async fn`: a task for each connection.
//!
//! ```text
//! cargo run --profile firmware --bin async_echo
//! nc 127.0.0.1 7000
//! ```
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use defmt_semihosting as _;
use firmware::board::lm3s6965::Lm3s6965;
use firmware::settings::{PORT, SOCKETS};
use firmware::{Listen, Memory, SLOTS};
use selkie_async::{AsyncService, StaticPool, TaskSlot, TaskTable, WakeFlags, size_of_task};
use selkie_services::tasks::echo_in_place;
use static_cell::{ConstStaticCell, StaticCell};

static MEMORY: Memory<Lm3s6965, ()> = Memory::new();
static WAKES: WakeFlags<{ WakeFlags::groups(SLOTS) }> = WakeFlags::new();
static TASKS: ConstStaticCell<[TaskSlot; SLOTS]> =
    ConstStaticCell::new([const { TaskSlot::new() }; SLOTS]);
static TABLE: StaticCell<TaskTable<'static>> = StaticCell::new();
static FUTURES: ConstStaticCell<StaticPool<{ size_of_task(echo_in_place) }, SLOTS>> =
    ConstStaticCell::new(StaticPool::new());

#[entry]
fn main() -> ! {
    let listen = Listen { port: PORT, sockets: SOCKETS };
    firmware::run(&MEMORY, listen, || {
        let table = TABLE.init(TaskTable::new(TASKS.take(), WAKES.wakes()));
        AsyncService::new(table, FUTURES.take().pin_for(&echo_in_place), echo_in_place)
    })
}
