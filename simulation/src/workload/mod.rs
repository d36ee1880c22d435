//! The services that the server is tried with, and the clients that know what to expect of them.
//!
//! The first byte that a client sends chooses how it is served, so that every kind runs beside
//! every other, in one server and over one pool.

mod client;
mod crowd;
mod expectation;
mod kinds;
mod pattern;
mod plan;
mod service;

pub use crowd::Clients;
pub use service::Mixed;

/// Kind of service for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its bytes are sent back.
    Echo,
    /// Its lines are sent to every other client of this kind.
    Chat,
    /// It is sent as many bytes as it asks for, much more than an output buffer holds.
    Stream,
    /// At random: bytes, timers, ends, closings and aborts, its own and those of others.
    Chaos,
    /// Its bytes are sent to another client of this kind, and those of the other to it.
    Relay,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Echo, Self::Chat, Self::Stream, Self::Chaos, Self::Relay];

    /// Returns the byte that chooses it.
    const fn letter(self) -> u8 {
        match self {
            Self::Echo => b'E',
            Self::Chat => b'C',
            Self::Stream => b'S',
            Self::Chaos => b'X',
            Self::Relay => b'R',
        }
    }

    fn of(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }
}
