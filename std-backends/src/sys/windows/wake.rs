//! The channel of a waker: a socket that sends to itself, or a packet in a completion port.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *full-socket*: a datagram that finds no room is dropped. The socket is readable then, and is
//!   watched as a level, so there is a wake already.
//! * *last-error*: a wake may happen between a failed call and the look at its number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use selkie_core::Error;

use super::address::RawAddress;
use super::port::Port;
use super::source::{self, OwnedSource, RawSource, raw};
use super::{errno, io, socket};

/// The channel.
#[derive(Debug)]
pub(crate) enum Channel {
    /// A datagram socket that is connected to itself.
    Socket(OwnedSource),
    /// At most one packet at a time in the port of a selector. Each channel has another key.
    Packet { port: Arc<Port>, key: usize, is_posted: AtomicBool },
}

impl Channel {
    /// Makes a channel that is a socket.
    pub(crate) fn new() -> Result<Self, Error> {
        let any = RawAddress::new(&([127, 0, 0, 1], 0).into());
        let own = socket::datagram(&any)?;
        socket::bind(raw(&own), &any)?;
        let address = RawAddress::new(&socket::local_address(raw(&own))?);
        // From now on it takes no datagrams of other senders.
        socket::connect(raw(&own), &address)?;
        Ok(Self::Socket(own))
    }

    /// Makes a channel that posts packets with a key.
    pub(crate) const fn of_port(port: Arc<Port>, key: usize) -> Self {
        Self::Packet { port, key, is_posted: AtomicBool::new(false) }
    }

    /// Wakes the selector that watches the channel.
    pub(crate) fn wake(&self) {
        let before = errno::number();
        match self {
            Self::Socket(own) => {
                // full-socket: a failure is a wake too.
                let _ = io::send(raw(own), &[1]);
            }
            Self::Packet { port, key, is_posted } => {
                if !is_posted.swap(true, Ordering::AcqRel) && port.post(*key, 0).is_err() {
                    // The system has no memory for a packet: the next wake tries again.
                    is_posted.store(false, Ordering::Release);
                }
            }
        }
        // last-error: as it was.
        errno::restore(before);
    }

    /// Returns the socket that is readable while a wake is pending, or [`source::NONE`].
    pub(crate) fn source(&self) -> RawSource {
        match self {
            Self::Socket(own) => raw(own),
            Self::Packet { .. } => source::NONE,
        }
    }

    /// Takes the wakes that are being reported.
    pub(crate) fn drain(&self) {
        match self {
            Self::Socket(own) => {
                let mut wakes = [0; 64];
                while io::receive(raw(own), &mut wakes) >= 0 {}
            }
            Self::Packet { is_posted, .. } => is_posted.store(false, Ordering::Release),
        }
    }
}
