//! Layers, which are services around a service: [`Framed`] changes the bytes on the way, [`Logged`]
//! only watches. And [`Relay`], which passes bytes on to another connection.
//!
//! A layer that changes bytes calls the inner service with a [`Peer`](crate::Peer) of its own. The
//! operations of that are a [`Layer`]: those that it changes, and the others from below.
//! Because each operation names its connection, `send_to` works through a layer.
//!
//! ```
//! use selkie_core::layers::{Framed, Layer, PeerOps};
//! use selkie_core::testing::Recorder;
//! use selkie_core::{Peer, SendError, Service, Token};
//!
//! /// Sends everything in capital letters.
//! struct Capitals<'p>(&'p mut dyn PeerOps);
//!
//! impl Layer for Capitals<'_> {
//!     fn below(&self) -> &dyn PeerOps { self.0 }
//!     fn below_mut(&mut self) -> &mut dyn PeerOps { self.0 }
//!
//!     fn send(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
//!         self.0.send(token, &bytes.to_ascii_uppercase())
//!     }
//!
//!     fn send_some(&mut self, token: Token, bytes: &[u8]) -> usize {
//!         self.0.send_some(token, &bytes.to_ascii_uppercase())
//!     }
//! }
//!
//! struct Loud<S>(S);
//!
//! impl<S: Service> Service for Loud<S> {
//!     type Session = S::Session;
//!
//!     fn received(&mut self, peer: &mut Peer<'_>, it: &mut S::Session, bytes: &[u8]) -> usize {
//!         let token = peer.token();
//!         self.0.received(&mut Peer::new(token, &mut Capitals(peer.ops())), it, bytes)
//!     }
//! }
//!
//! # struct Echo;
//! # impl Service for Echo {
//! #     type Session = ();
//! #     fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
//! #         peer.send_some(bytes)
//! #     }
//! # }
//! let (client, mut recorder) = (Token::new(0, 1), Recorder::<64>::new());
//! Loud(Echo).received(&mut recorder.peer(client), &mut (), b"hello");
//! assert_eq!(recorder.sent_to(client), b"HELLO");
//! ```

mod framed;
mod layer;
mod logged;
mod relay;

pub use framed::{Framed, FramedSession};
pub use layer::Layer;
pub use logged::{Logged, LoggedSession, Occasion, Record};
pub use relay::{Relay, RelaySession, Route};

pub use crate::server::{Ending, PeerOps};
