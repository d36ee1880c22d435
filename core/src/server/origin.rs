//! The origin of a connection.

use crate::contract::Token;

/// The way in which a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Origin {
    /// The server was given it by [`Server::adopt`](crate::Server::adopt), or its slot is free.
    Adopted,
    /// A listener of this token accepted it.
    Accepted(Token),
    /// The server connected.
    Connected {
        /// The connection whose callback asked for it; `None` for
        /// [`Server::connect`](crate::Server::connect) and [`Peers`](crate::peers::Peers).
        by: Option<Token>,
    },
}

/// The bit of an index that no slot has: it marks connections that the server has opened.
const CONNECTED: u32 = 1 << 31;

impl Origin {
    /// Returns the origin as a token of which the first value, all zero bits, is `Adopted`.
    pub(super) const fn pack(self) -> Token {
        match self {
            Self::Adopted => Token::new(0, 0),
            Self::Accepted(listener) => listener,
            // No token that was issued has the generation 0.
            Self::Connected { by: None } => Token::new(CONNECTED, 0),
            Self::Connected { by: Some(by) } => Token::new(by.slot() | CONNECTED, by.generation()),
        }
    }

    pub(super) const fn unpack(token: Token) -> Self {
        let (slot, generation) = (token.slot(), token.generation());
        // As `pack` has made them.
        match (slot & CONNECTED != 0, generation) {
            (false, 0) => Self::Adopted,
            (false, _) => Self::Accepted(token),
            (true, 0) => Self::Connected { by: None },
            (true, _) => Self::Connected { by: Some(Token::new(slot & !CONNECTED, generation)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_comes_back() {
        let token = Token::new(7, 9);
        for origin in [
            Origin::Adopted,
            Origin::Accepted(token),
            Origin::Connected { by: None },
            Origin::Connected { by: Some(token) },
        ] {
            assert_eq!(Origin::unpack(origin.pack()), origin);
        }
    }
}
