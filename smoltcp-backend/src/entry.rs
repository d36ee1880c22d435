//! What sockets and listeners have in common: a handle that names them, and what they are watched
//! for.

use selkie_core::{Interest, Mode, Token};

use crate::socket::Place;

/// The token of what is not registered.
pub(crate) const UNREGISTERED: Token = Token::from_u64(0);

/// What is known of everything that a handle can name. All bits zero means that nobody has a
/// handle, and nothing is registered.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Entry {
    pub(crate) token: Token,
    /// Which life a handle is for: a count of 40 bits, since a firmware may run for years. These
    /// are its lower bits.
    pub(crate) generation: u32,
    pub(crate) generation_high: u8,
    /// Somebody has a handle.
    pub(crate) open: bool,
    /// What it is watched for right now: nothing, once a oneshot source was reported.
    pub(crate) armed: Interest,
    oneshot: bool,
}

impl Entry {
    pub(crate) const EMPTY: Self = Self {
        token: UNREGISTERED,
        generation: 0,
        generation_high: 0,
        open: false,
        armed: Interest::NONE,
        oneshot: false,
    };

    /// Begins a life in which a new handle is good, and all earlier ones are stale. The count of
    /// lives starts again after 2^40 of them: 34 years with 1,000 connections a second on one
    /// socket.
    pub(crate) const fn open(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.generation_high = self.generation_high.wrapping_add(1);
        }
        *self = Self { open: true, ..self.closed() };
    }

    /// This without handle and registration. Handles of old stay stale.
    pub(crate) const fn closed(&self) -> Self {
        Self { generation: self.generation, generation_high: self.generation_high, ..Self::EMPTY }
    }

    /// Whether this is what a handle is for.
    pub(crate) const fn is(&self, generation: u32, place: Place) -> bool {
        self.open && self.generation == generation && self.generation_high == place.generation_high
    }

    /// Whether it is registered under an index.
    pub(crate) fn has_index(&self, index: usize) -> bool {
        self.is_registered() && self.token.index() == index
    }

    /// No token that was issued has the generation 0.
    pub(crate) const fn is_registered(&self) -> bool {
        self.token.generation() != 0
    }

    /// Registers it, or changes what it is watched for.
    pub(crate) fn watch(&mut self, token: Token, interest: Interest, mode: Mode) {
        *self = Self { token, armed: interest, oneshot: mode == Mode::Oneshot, ..*self };
    }

    /// Is registered no longer.
    pub(crate) const fn forget(&mut self) {
        self.token = UNREGISTERED;
        self.armed = Interest::NONE;
    }

    /// Notes that it was reported, which silences it if it is oneshot.
    pub(crate) fn fired(&mut self) {
        if self.oneshot {
            self.armed = Interest::NONE;
        }
    }
}
