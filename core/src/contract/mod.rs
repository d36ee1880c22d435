//! The contract between the loop and a platform: the traits that a platform implements, and the
//! values that cross between the two.

mod error;
mod event;
mod instant;
mod interest;
mod listen_options;
mod selector;
mod token;
mod transport;

pub use error::{Error, ErrorKind};
pub use event::{Event, Events, Readiness};
pub use instant::Instant;
pub use interest::{Interest, Mode};
pub use listen_options::{KeepAlive, ListenOptions};
pub use selector::{Capabilities, Selector, Wait, Wake};
pub use token::Token;
pub use transport::{Close, Datagram, Datagrams, Transport};
