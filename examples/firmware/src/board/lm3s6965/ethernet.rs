//! The Ethernet MAC of the LM3S6965, as a device of smoltcp.
//!
//! The MAC keeps up to 31 received frames and one to be sent, which pass word by word through one
//! data register. This driver has room for one frame in each direction, as long as the longest that
//! a socket's window asks for: the interface announces that to its peers by its MTU, and a longer
//! frame is dropped.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use static_cell::ConstStaticCell;

use crate::board::frame::{self, Received};
use crate::board::registers::Registers;
use crate::settings::{FRAME_MAX, HARDWARE_ADDRESS};

const MAC: usize = 0x4004_8000;
/// Interrupt status, and their acknowledgement.
const RIS_IACK: usize = 0x000;
/// Interrupt mask; a frame was received.
const IM: usize = 0x004;
const IM_RX: u32 = 1;
/// Receive control: start with an empty FIFO, take in frames.
const RCTL: usize = 0x008;
const RCTL_RSTFIFO_RXEN: u32 = 1 << 4 | 1;
/// Transmit control: full duplex, add the checksum, pad short frames, send.
const TCTL: usize = 0x00C;
const TCTL_DUPLEX_CRC_PADEN_TXEN: u32 = 1 << 4 | 1 << 2 | 1 << 1 | 1;
/// The FIFOs.
const DATA: usize = 0x010;
/// The station's address.
const IA0: usize = 0x014;
const IA1: usize = 0x018;
/// The number of frames in the receive FIFO.
const NP: usize = 0x034;
/// Transmission request: send what is in the FIFO. Reads as set until that is done.
const TR: usize = 0x038;

/// Ethernet's header.
const HEADER: usize = 14;
/// Frames in the FIFOs have their length in front, 2 bytes, and those received the checksum behind,
/// 4 bytes.
const LENGTH: usize = 2;
const CHECKSUM: usize = 4;

/// One frame in words, as the FIFO takes and gives it.
type Frame = [u8; (LENGTH + FRAME_MAX + CHECKSUM).next_multiple_of(4)];

/// Memory for one frame in each direction. Beside the driver, not in it, so that it is never moved
/// through the stack.
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([[0; size_of::<Frame>()]; 2]);

/// The MAC.
#[derive(Debug)]
pub struct Ethernet {
    registers: Registers,
    received: &'static mut Frame,
    sent: &'static mut Frame,
}

impl Ethernet {
    /// Starts the MAC.
    ///
    /// # Safety
    ///
    /// Only once: no other code may use the MAC.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: this is the block of the MAC, which the caller says is ours.
        let registers = unsafe { Registers::new(MAC) };
        let [first, second, third, fourth, fifth, sixth] = HARDWARE_ADDRESS;
        registers.write(IA0, u32::from_le_bytes([first, second, third, fourth]));
        registers.write(IA1, u32::from_le_bytes([fifth, sixth, 0, 0]));
        registers.write(IM, IM_RX);
        registers.write(RCTL, RCTL_RSTFIFO_RXEN);
        registers.write(TCTL, TCTL_DUPLEX_CRC_PADEN_TXEN);
        let [received, sent] = FRAMES.take();
        Self { registers, received, sent }
    }

    /// Acknowledges the interrupt, and then returns whether a frame waits.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.registers.write(RIS_IACK, IM_RX);
        self.registers.read(NP) != 0
    }

    /// Takes the next frame that is not too long out of the FIFO, and returns its length.
    fn take(&mut self) -> Option<usize> {
        while self.registers.read(NP) != 0 {
            let first = self.registers.read(DATA).to_le_bytes();
            let length = usize::from(u16::from_le_bytes([first[0], first[1]]));
            self.received[..4].copy_from_slice(&first);
            for offset in (4..length).step_by(4) {
                let word = self.registers.read(DATA).to_le_bytes();
                if let Some(place) = self.received.get_mut(offset..offset + 4) {
                    place.copy_from_slice(&word);
                }
            }
            if length <= self.received.len() && length > LENGTH + CHECKSUM {
                return Some(length - LENGTH - CHECKSUM);
            }
        }
        None
    }
}

impl Device for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sent<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        frame::capabilities()
    }

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sent<'_>)> {
        let length = self.take()?;
        let Self { registers, received, sent } = self;
        Some((Received(&mut received[LENGTH..LENGTH + length]), Sent { registers, frame: sent }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        if self.registers.read(TR) != 0 {
            return None;
        }
        Some(Sent { registers: &self.registers, frame: self.sent })
    }
}

/// Room for a frame.
#[derive(Debug)]
pub struct Sent<'a> {
    registers: &'a Registers,
    frame: &'a mut Frame,
}

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        // The answer to a frame may find the frame before it still in the FIFO, for some
        // microseconds.
        while self.registers.read(TR) != 0 {}
        let result = fill(&mut self.frame[LENGTH..LENGTH + length]);
        // The length that the MAC wants is that of what follows the header, and fits 16 bits as the
        // frame does.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let payload = length.saturating_sub(HEADER) as u16;
        self.frame[..LENGTH].copy_from_slice(&payload.to_le_bytes());
        for word in self.frame[..(LENGTH + length).next_multiple_of(4)].as_chunks::<4>().0 {
            self.registers.write(DATA, u32::from_le_bytes(*word));
        }
        self.registers.write(TR, 1);
        result
    }
}
