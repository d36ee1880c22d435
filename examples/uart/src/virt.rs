//! QEMU's RISC-V machine `virt`: a 16550 UART, a timer of 10 MHz, and an interrupt controller.

use board_io::registers::Registers;
use board_io::uart::{self, BytePort};
use riscv::register::{mie, mstatus};
pub(crate) use riscv_rt::entry;
use selkie_core::Instant;

const UART: usize = 0x1000_0000;
/// Data, interrupts (received, room to send), line state (received, room to send).
const DATA: usize = 0;
const IER: usize = 1;
const IER_RX: u8 = 0b01;
const IER_RX_TX: u8 = 0b11;
const LSR: usize = 5;
const LSR_RX: u8 = 1;
const LSR_TX: u8 = 1 << 5;

/// The timer: its alarm, and its count.
const CLINT_ALARM: usize = 0x0200_4000;
const MTIMECMP: usize = 0;
const CLINT_COUNT: usize = 0x0200_B000;
const MTIME: usize = 0xFF8;
const NANOSECONDS_PER_TICK: u64 = 100;

/// The interrupt controller: the UART's priority, what is enabled, and what is pending.
const PLIC_PRIORITIES: usize = 0x0C00_0000;
const UART_NUMBER: u32 = 10;
const PRIORITY_UART: usize = 4 * UART_NUMBER as usize;
const PLIC_ENABLED: usize = 0x0C00_2000;
const ENABLE: usize = 0;
const PLIC_PENDING: usize = 0x0C20_0000;
const CLAIM: usize = 4;

/// The clock, and sleep.
pub(crate) struct Board {
    alarm: Registers,
    count: Registers,
    pending: Registers,
}

impl Board {
    /// Starts the devices; called once.
    pub(crate) fn start() -> (Self, Uart) {
        let [alarm, count, priorities, enabled, pending, uart] =
            [CLINT_ALARM, CLINT_COUNT, PLIC_PRIORITIES, PLIC_ENABLED, PLIC_PENDING, UART]
                // SAFETY: these are blocks of the devices, and nothing else uses them.
                .map(|block| unsafe { Registers::new(block) });
        priorities.write(PRIORITY_UART, 1);
        enabled.write(ENABLE, 1 << UART_NUMBER);
        uart.write_byte(IER, IER_RX);
        // SAFETY: interrupts stay disabled as a whole; those of devices and of the timer only end
        // a sleep.
        unsafe {
            mstatus::clear_mie();
            mie::set_mext();
            mie::set_mtimer();
        }
        (Self { alarm, count, pending }, Uart::new(Port(uart)))
    }

    pub(crate) fn now(&mut self) -> Instant {
        let high = self.count.read(MTIME + 4);
        let low = self.count.read(MTIME);
        // The low half may have wrapped between the two.
        let (high, low) = match self.count.read(MTIME + 4) {
            same if same == high => (high, low),
            next => (next, self.count.read(MTIME)),
        };
        Instant::from_nanos((u64::from(high) << 32 | u64::from(low)) * NANOSECONDS_PER_TICK)
    }

    /// Sleeps until an interrupt or the deadline, unless the UART is ready.
    pub(crate) fn sleep(&mut self, deadline: Option<Instant>, uart: &Uart) {
        let due = deadline
            .map_or(u64::MAX, |deadline| deadline.as_nanos().div_ceil(NANOSECONDS_PER_TICK));
        // A count of the past ends the sleep at once.
        #[allow(clippy::cast_possible_truncation, reason = "it is written in halves")]
        let (high, low) = ((due >> 32) as u32, due as u32);
        self.alarm.write(MTIMECMP, u32::MAX);
        self.alarm.write(MTIMECMP + 4, high);
        self.alarm.write(MTIMECMP, low);
        if !uart.is_ready() {
            riscv::asm::wfi();
        }
        // Until it is claimed and completed, the interrupt would end each sleep.
        let number = self.pending.read(CLAIM);
        if number != 0 {
            self.pending.write(CLAIM, number);
        }
    }
}

/// The UART.
pub(crate) type Uart = uart::Uart<Port>;

/// The UART's chip.
#[derive(Debug)]
pub(crate) struct Port(Registers);

impl BytePort for Port {
    // The interrupt ends with what it is about, and is claimed after each sleep.
    fn acknowledge(&self) {}

    fn has_input(&self) -> bool {
        self.0.read_byte(LSR) & LSR_RX != 0
    }

    fn take(&mut self) -> u8 {
        self.0.read_byte(DATA)
    }

    fn has_room(&self) -> bool {
        let has_room = self.0.read_byte(LSR) & LSR_TX != 0;
        // Room ends a sleep only for a writer that was refused.
        self.0.write_byte(IER, if has_room { IER_RX } else { IER_RX_TX });
        has_room
    }

    fn put(&mut self, byte: u8) {
        self.0.write_byte(DATA, byte);
    }
}
