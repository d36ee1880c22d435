//! The LAN9118 Ethernet controller, as a device of smoltcp.
//!
//! Frames pass word by word through its FIFOs, of several KiB each. This driver has room for one
//! frame in each direction, as long as the longest that a socket's window asks for: the interface
//! announces that to its peers by its MTU, and a longer frame is dropped.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use static_cell::ConstStaticCell;

use firmware::board::frame::{self, Received};
use firmware::board::registers::Registers;
use firmware::settings::{FRAME_MAX, HARDWARE_ADDRESS};

const LAN9118: usize = 0x4020_0000;
/// The FIFOs.
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
/// Interrupt line: on, active high, push-pull.
const IRQ_CFG: usize = 0x54;
const IRQ_CFG_ON: u32 = 1 << 8 | 1 << 4 | 1;
/// Interrupt status and its acknowledgement, and mask: a frame was received.
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5C;
const RSFL: u32 = 1 << 3;
/// Transmit configuration: on.
const TX_CFG: usize = 0x70;
const TX_CFG_ON: u32 = 1 << 1;
/// The number of received frames, in bits 16 to 23, and the room for frames to send.
const RX_FIFO_INF: usize = 0x7C;
const TX_FIFO_INF: usize = 0x80;
/// Commands to the MAC, and their data.
const MAC_CSR_CMD: usize = 0xA4;
const MAC_CSR_CMD_BUSY: u32 = 1 << 31;
const MAC_CSR_DATA: usize = 0xA8;
/// Registers of the MAC: control (full duplex, send, receive) and the station's address.
const MAC_CR: u32 = 1;
const MAC_CR_FDPX_TXEN_RXEN: u32 = 1 << 20 | 1 << 3 | 1 << 2;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;
/// Transmit command: a frame in one segment.
const FIRST_LAST: u32 = 1 << 13 | 1 << 12;
/// A received frame has its checksum behind, 4 bytes.
const CHECKSUM: usize = 4;

/// One frame in words, as the FIFO takes and gives it.
type Frame = [u8; (FRAME_MAX + CHECKSUM).next_multiple_of(4)];

/// Memory for one frame in each direction. Beside the driver, not in it, so that it is never moved
/// through the stack.
static FRAMES: ConstStaticCell<[Frame; 2]> = ConstStaticCell::new([[0; size_of::<Frame>()]; 2]);

/// The controller.
#[derive(Debug)]
pub struct Ethernet {
    registers: Registers,
    received: &'static mut Frame,
    sent: &'static mut Frame,
}

impl Ethernet {
    /// Starts the controller.
    ///
    /// # Safety
    ///
    /// Only once: no other code may use the controller.
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: this is the block of the controller, which the caller says is ours.
        let registers = unsafe { Registers::new(LAN9118) };
        let [first, second, third, fourth, fifth, sixth] = HARDWARE_ADDRESS;
        let low = u32::from_le_bytes([first, second, third, fourth]);
        for (register, value) in [
            (ADDRL, low),
            (ADDRH, u32::from_le_bytes([fifth, sixth, 0, 0])),
            (MAC_CR, MAC_CR_FDPX_TXEN_RXEN),
        ] {
            registers.write(MAC_CSR_DATA, value);
            registers.write(MAC_CSR_CMD, MAC_CSR_CMD_BUSY | register);
            while registers.read(MAC_CSR_CMD) & MAC_CSR_CMD_BUSY != 0 {}
        }
        registers.write(IRQ_CFG, IRQ_CFG_ON);
        registers.write(INT_EN, RSFL);
        registers.write(TX_CFG, TX_CFG_ON);
        let [received, sent] = FRAMES.take();
        Self { registers, received, sent }
    }

    /// Acknowledges the interrupt, and then returns whether a frame waits.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.registers.write(INT_STS, RSFL);
        self.has_frame()
    }

    fn has_frame(&self) -> bool {
        self.registers.read(RX_FIFO_INF) >> 16 & 0xFF != 0
    }

    /// Takes the next frame that is not too long out of the FIFO, and returns its length.
    fn take(&mut self) -> Option<usize> {
        while self.has_frame() {
            let length = (self.registers.read(RX_STATUS) >> 16 & 0x3FFF) as usize;
            for offset in (0..length).step_by(4) {
                let word = self.registers.read(RX_DATA).to_le_bytes();
                if let Some(place) = self.received.get_mut(offset..offset + 4) {
                    place.copy_from_slice(&word);
                }
            }
            if length <= self.received.len() && length > CHECKSUM {
                return Some(length - CHECKSUM);
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
        Some((Received(&mut received[..length]), Sent { registers, frame: sent }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        let room = (self.registers.read(TX_FIFO_INF) & 0xFFFF) as usize;
        (room > size_of::<Frame>()).then_some(Sent { registers: &self.registers, frame: self.sent })
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
        let result = fill(&mut self.frame[..length]);
        // A frame is far shorter than 2^11 bytes.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let size = length as u32;
        self.registers.write(TX_DATA, FIRST_LAST | size);
        self.registers.write(TX_DATA, size);
        for word in self.frame[..length.next_multiple_of(4)].as_chunks::<4>().0 {
            self.registers.write(TX_DATA, u32::from_le_bytes(*word));
        }
        // The status of each frame is taken out, or its FIFO fills up.
        let _ = self.registers.read(TX_STATUS);
        result
    }
}
