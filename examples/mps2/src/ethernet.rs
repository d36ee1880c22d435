//! The LAN9118 Ethernet controller: frames pass word by word through FIFOs of several KiB.

use firmware::board::frame::{Frame, FramePort};
use firmware::board::registers::Registers;
use firmware::settings::HARDWARE_ADDRESS;

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

/// The controller.
#[derive(Debug)]
pub struct Lan9118(Registers);

impl Lan9118 {
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
        Self(registers)
    }

    fn has_frame(&self) -> bool {
        self.0.read(RX_FIFO_INF) >> 16 & 0xFF != 0
    }
}

impl FramePort for Lan9118 {
    const PREFIX: usize = 0;

    fn is_ready(&self) -> bool {
        self.0.write(INT_STS, RSFL);
        self.has_frame()
    }

    fn take(&mut self, frame: &mut Frame) -> Option<usize> {
        while self.has_frame() {
            let length = (self.0.read(RX_STATUS) >> 16 & 0x3FFF) as usize;
            for offset in (0..length).step_by(4) {
                let word = self.0.read(RX_DATA).to_le_bytes();
                if let Some(place) = frame.get_mut(offset..offset + 4) {
                    place.copy_from_slice(&word);
                }
            }
            if length <= frame.len() && length > CHECKSUM {
                return Some(length - CHECKSUM);
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        (self.0.read(TX_FIFO_INF) & 0xFFFF) as usize > size_of::<Frame>()
    }

    fn send(&self, frame: &mut Frame, length: usize) {
        // A frame is far shorter than 2^11 bytes.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let size = length as u32;
        self.0.write(TX_DATA, FIRST_LAST | size);
        self.0.write(TX_DATA, size);
        for word in frame[..length.next_multiple_of(4)].as_chunks::<4>().0 {
            self.0.write(TX_DATA, u32::from_le_bytes(*word));
        }
        // The status of each frame is taken out, or its FIFO fills up.
        let _ = self.0.read(TX_STATUS);
    }
}
