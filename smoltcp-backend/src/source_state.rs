//! The state that sockets and listeners share: their current handle, and their registration.

use selkie_core::{Interest, Mode, Token};

/// The token of a source that is not registered.
pub(crate) const UNREGISTERED: Token = Token::from_u64(0);

/// The handle and the registration of a socket or a listener. All bits zero means that no handle
/// was issued, and nothing is registered.
///
/// The decisions on tokens are core's (`backend::check_vacant`, `check_tenant`), and the tables
/// differ from core's for a reason. Sockets exist before their handles, and become streams in the
/// order of their arrivals, so there is no free list as in a `HandleTable`. A board has so few of
/// them that a search by token is cheaper than the memory of a `SourceTable`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct SourceState {
    pub(crate) token: Token,
    /// The lower bits of the generation of the current handle: a count of 40 bits, since a
    /// firmware may run for years.
    pub(crate) generation: u32,
    pub(crate) generation_high: u8,
    /// The current handle is valid.
    pub(crate) open: bool,
    /// The current interest: nothing, once a oneshot source was reported.
    pub(crate) armed: Interest,
    oneshot: bool,
}

impl SourceState {
    pub(crate) const EMPTY: Self = Self {
        token: UNREGISTERED,
        generation: 0,
        generation_high: 0,
        open: false,
        armed: Interest::NONE,
        oneshot: false,
    };

    /// Begins a generation, which makes all earlier handles stale. The count wraps after 2^40
    /// generations: 34 years with 1,000 connections a second on one socket.
    pub(crate) const fn begin_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.generation_high = self.generation_high.wrapping_add(1);
        }
        *self = Self { open: true, ..self.emptied() };
    }

    /// Returns this entry without handle and registration. Earlier handles stay stale.
    pub(crate) const fn emptied(&self) -> Self {
        Self { generation: self.generation, generation_high: self.generation_high, ..Self::EMPTY }
    }

    /// Returns whether a handle of this generation is valid.
    pub(crate) const fn is_current(&self, generation: u32, generation_high: u8) -> bool {
        self.open && self.generation == generation && self.generation_high == generation_high
    }

    /// Returns whether it is registered under an index.
    pub(crate) fn has_index(&self, index: usize) -> bool {
        self.is_registered() && self.token.index() == index
    }

    /// Returns whether it is registered: no token that was issued has the generation 0.
    pub(crate) const fn is_registered(&self) -> bool {
        self.token.generation() != 0
    }

    /// Registers it, or changes its interest.
    pub(crate) fn watch(&mut self, token: Token, interest: Interest, mode: Mode) {
        *self = Self { token, armed: interest, oneshot: mode == Mode::Oneshot, ..*self };
    }

    /// Removes the registration.
    pub(crate) const fn unregister(&mut self) {
        self.token = UNREGISTERED;
        self.armed = Interest::NONE;
    }

    /// Records that it was reported, which silences it if it is oneshot.
    pub(crate) fn mark_fired(&mut self) {
        if self.oneshot {
            self.armed = Interest::NONE;
        }
    }
}
