//! What the drivers of all boards share: the registers of a chip, and a UART over a few functions
//! of its chip. It needs no particular processor.
#![no_std]

pub mod registers;
pub mod uart;
