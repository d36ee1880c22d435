//! Registers of a chip, and a UART over a few functions of its chip: the part that the drivers of
//! all boards share. It needs no particular processor.
#![no_std]

pub mod registers;
pub mod uart;
