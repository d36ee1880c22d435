//! The board's Ethernet MAC as a driver of embassy's trait.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embassy_sync::waitqueue::AtomicWaker;
use firmware::board::lm3s6965::{Lm3s6965, ethernet};
use firmware::board::{Board, frame};
use firmware::settings::HARDWARE_ADDRESS;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;

/// The task that waits for a frame.
static WAKER: AtomicWaker = AtomicWaker::new();
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The interrupt of the MAC.
#[derive(Clone, Copy)]
struct Interrupt;

// SAFETY: this is its number on the board.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        42
    }
}

/// Masks the interrupt until the driver has taken all frames.
// SAFETY: it touches nothing but the interrupt's mask and the waker.
#[exception]
unsafe fn DefaultHandler(_number: i16) {
    NVIC::mask(Interrupt);
    WAKER.wake();
}

/// The MAC.
pub(crate) struct Mac(frame::Ethernet<ethernet::Mac>);

impl Mac {
    /// Starts the MAC; once, nothing the second time.
    pub(crate) fn take() -> Option<Self> {
        if IS_TAKEN.load(Ordering::Relaxed) {
            return None;
        }
        IS_TAKEN.store(true, Ordering::Relaxed);
        // SAFETY: it is the first time, and the interrupts of the devices are masked.
        let (mac, _) = critical_section::with(|_| unsafe { Lm3s6965::start() });
        Some(Self(frame::Ethernet::new(mac)))
    }
}

impl Driver for Mac {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, Sent<'_>)> {
        if !self.0.is_ready() {
            WAKER.register(context.waker());
            // A frame that arrives from now on ends in an interrupt.
            // SAFETY: the handler shares nothing with the driver but the waker.
            unsafe { NVIC::unmask(Interrupt) };
        }
        let (received, sent) = self.0.receive(Instant::ZERO)?;
        Some((Received(received), Sent(sent)))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Sent<'_>> {
        // There is room again after some microseconds.
        let sent = self.0.transmit(Instant::ZERO);
        if sent.is_none() {
            context.waker().wake_by_ref();
        }
        sent.map(Sent)
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.0.capabilities().max_transmission_unit;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(HARDWARE_ADDRESS)
    }
}

/// A received frame.
pub(crate) struct Received<'a>(frame::Received<'a>);

impl embassy_net_driver::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        read(self.0.0)
    }
}

/// Room for a frame.
pub(crate) struct Sent<'a>(frame::Sent<'a, ethernet::Mac>);

impl embassy_net_driver::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.0.consume(length, fill)
    }
}
