//! The Ethernet MAC of the LM3S6965.
//!
//! It keeps up to 31 received frames and one to be sent, which pass word by word through one data
//! register.

use crate::board::frame::{Frame, FramePort};
use crate::board::registers::Registers;
use crate::settings::HARDWARE_ADDRESS;

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

/// The MAC.
#[derive(Debug)]
pub struct Mac(Registers);

impl Mac {
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
        Self(registers)
    }
}

impl FramePort for Mac {
    const PREFIX: usize = LENGTH;

    fn is_ready(&self) -> bool {
        self.0.write(RIS_IACK, IM_RX);
        self.0.read(NP) != 0
    }

    fn take(&mut self, frame: &mut Frame) -> Option<usize> {
        while self.0.read(NP) != 0 {
            let first = self.0.read(DATA).to_le_bytes();
            let length = usize::from(u16::from_le_bytes([first[0], first[1]]));
            frame[..4].copy_from_slice(&first);
            for offset in (4..length).step_by(4) {
                let word = self.0.read(DATA).to_le_bytes();
                if let Some(place) = frame.get_mut(offset..offset + 4) {
                    place.copy_from_slice(&word);
                }
            }
            if length <= frame.len() && length > LENGTH + CHECKSUM {
                return Some(length - LENGTH - CHECKSUM);
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        self.0.read(TR) == 0
    }

    fn send(&self, frame: &mut Frame, length: usize) {
        // The length that the MAC wants is that of what follows the header, and fits 16 bits as the
        // frame does.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let payload = length.saturating_sub(HEADER) as u16;
        frame[..LENGTH].copy_from_slice(&payload.to_le_bytes());
        for word in frame[..(LENGTH + length).next_multiple_of(4)].as_chunks::<4>().0 {
            self.0.write(DATA, u32::from_le_bytes(*word));
        }
        self.0.write(TR, 1);
    }
}
