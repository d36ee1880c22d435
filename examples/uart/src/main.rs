//! A console on a UART, without a network, on two small boards: a Cortex-M0 and a RISC-V. The loop
//! serves any device of embedded-io through `DevicePoller`; a board is a UART, a clock, and sleep.
//!
//! Lines are sent back. `later` is answered after 100 milliseconds, `quit` ends the firmware.
//!
//! ```text
//! cargo build --profile firmware --target thumbv6m-none-eabi
//! qemu-system-arm -M microbit -nographic -semihosting -kernel ELF
//! cargo build --profile firmware --target riscv32imac-unknown-none-elf
//! qemu-system-riscv32 -M virt -bios none -nographic -semihosting -kernel ELF
//! ```
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "arm", path = "microbit.rs")]
#[cfg_attr(target_arch = "riscv32", path = "virt.rs")]
mod board;

use core::panic::PanicInfo;
use core::time::Duration;

use board::{Board, Uart};
use heapless::Vec;
use selkie_core::adapters::{Device, DevicePoller};
use selkie_core::memory::StaticLoop;
use selkie_core::platform::Transport;
use selkie_core::{Context, Event, EventLoop, Handler, Interest, Mode, Token};
use semihosting::process;

/// The UART, and the timer of an answer.
const SLOTS: usize = 2;
/// The longest line; the rest is cut off.
const LINE: usize = 64;
/// The longest answers that wait to be printed.
const OUTPUT: usize = 128;
/// The time after which `later` is answered.
const LATER: Duration = Duration::from_millis(100);

type Platform = DevicePoller<Uart, 1, SLOTS>;

/// The console on one device.
struct Console {
    uart: Device,
    token: Token,
    /// Its deadlines are those of answers.
    timer: Token,
    line: Vec<u8, LINE>,
    output: Vec<u8, OUTPUT>,
}

impl Console {
    /// Takes what was typed.
    fn read(&mut self, context: &mut Context<'_, Platform>) {
        let mut bytes = [0; 16];
        let count = context.platform.read(self.uart, &mut bytes).unwrap_or(0);
        for &byte in &bytes[..count] {
            if byte != b'\n' && byte != b'\r' {
                // The rest of a line that is too long is cut off.
                let _ = self.line.push(byte);
                continue;
            }
            let line = core::mem::take(&mut self.line);
            match line.as_slice() {
                b"" => {}
                b"quit" => context.stop(),
                b"later" => {
                    let deadline = context.now() + LATER;
                    // The token is live, so this cannot fail.
                    let _ = context.set_timer(self.timer, deadline);
                }
                line => self.print(line),
            }
        }
    }

    /// Adds a line to the output, if there is room for it.
    fn print(&mut self, line: &[u8]) {
        if self.output.capacity() - self.output.len() > line.len() {
            let _ = self.output.extend_from_slice(line);
            let _ = self.output.push(b'\n');
        }
    }

    /// Prints as much as the UART takes, and waits for room if there is more.
    fn write(&mut self, context: &mut Context<'_, Platform>) {
        while let Ok(count @ 1..) = context.platform.write(self.uart, &self.output) {
            self.output.rotate_left(count);
            self.output.truncate(self.output.len() - count);
        }
        let room = if self.output.is_empty() { Interest::NONE } else { Interest::WRITABLE };
        // The UART is registered, so this cannot fail.
        let _ = context.modify(self.uart, self.token, Interest::READABLE | room, Mode::Level);
    }
}

impl Handler<Platform> for Console {
    fn ready(&mut self, context: &mut Context<'_, Platform>, _: Event) {
        self.read(context);
        self.write(context);
    }

    fn expired(&mut self, context: &mut Context<'_, Platform>, _: Token) {
        self.print(b"100 ms later");
        self.write(context);
    }
}

#[board::entry]
fn main() -> ! {
    let (mut board, uart) = Board::start();
    let mut devices = DevicePoller::new();
    let Ok(uart) = devices.add(uart) else { process::exit(1) };
    let mut event_loop = EventLoop::new_at(devices, StaticLoop::<SLOTS, 1>::new(), board.now());
    let mut context = event_loop.context();
    let token = context.register(uart, Interest::READABLE, Mode::Level);
    let (Ok(token), Ok(timer)) = (token, context.issue()) else { process::exit(2) };
    let mut console = Console { uart, token, timer, line: Vec::new(), output: Vec::new() };
    console.print(b"ready");
    console.write(&mut context);
    while !event_loop.is_stopped() {
        let Ok(next) = event_loop.turn(board.now(), &mut console) else { process::exit(3) };
        if let Some(uart) = event_loop.platform.device(uart) {
            board.sleep(next, uart);
        }
    }
    process::exit(0)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    process::exit(101)
}
