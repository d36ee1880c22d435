//! The lookup of names. `mod.rs` lists the quirks.

use core::net::IpAddr;

use selkie_core::Error;
#[cfg(doc)]
use selkie_core::ErrorKind;

use super::streams::{Kind, State, Streams};
use super::{IoPoll, error};
use crate::p2::imports::lookup;
use crate::shared::socket_table::Socket;

static LOOKUP: Kind =
    Kind { drop_handles: |streams| lookup::drop_stream(streams.input), local_address: None };

impl IoPoll<'_> {
    /// Starts to look up the addresses of a name. The source is readable when
    /// [`next_address`](Self::next_address) has something to return. Close it to end the lookup.
    ///
    /// # Errors
    ///
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable) where the host looks up no names
    /// (wasmtime does with `-S allow-ip-name-lookup`),
    /// [`InvalidInput`](ErrorKind::InvalidInput) for what is no name, [`Full`](ErrorKind::Full).
    pub fn look_up(&mut self, name: &str) -> Result<Socket, Error> {
        self.check_room()?;
        let stream = lookup::resolve(name).map_err(error::error)?;
        let pollables = [lookup::subscribe(stream); 2];
        let streams = Streams::other(&LOOKUP, State::Other, [0, stream, 0], pollables);
        Ok(self.list.sockets.insert(streams))
    }

    /// Returns the next address of a lookup, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](ErrorKind::WouldBlock) while the host looks it up,
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable) if the name has none, and errors of
    /// the host.
    pub fn next_address(&mut self, source: Socket) -> Result<Option<IpAddr>, Error> {
        let input = self.of_kind(source, &LOOKUP)?.input;
        lookup::next(input).map_err(error::non_blocking)
    }
}
