//! Pollables that the program has made, and standard input. `mod.rs` lists the quirks.

use selkie_core::Error;
#[cfg(any(doc, target_arch = "wasm32"))]
use selkie_core::ErrorKind;

use super::IoPoll;
use super::streams::{Kind, State, Streams};
#[cfg(target_arch = "wasm32")]
use crate::p2::imports;
use crate::shared::socket_table::Socket;

/// A pollable without anything that it is a child of.
static POLLABLE: Kind = Kind { drop_handles: |_| {}, local_address: None };

/// A stream that is only read.
#[cfg(target_arch = "wasm32")]
static INPUT: Kind =
    Kind { drop_handles: |streams| imports::drop_input(streams.input), local_address: None };

impl IoPoll<'_> {
    /// Returns the source of a handle, which must be of this kind.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn of_kind(
        &mut self,
        source: Socket,
        wanted: &'static Kind,
    ) -> Result<&mut Streams, Error> {
        let streams = self.streams(source)?;
        match streams.kind {
            Some(kind) if core::ptr::eq(kind, wanted) => Ok(streams),
            _ => Err(Error::new(ErrorKind::InvalidSource)),
        }
    }

    /// Adds a pollable of the program's own as a source: a timer, an outgoing request, a stream of
    /// another interface. It is reported while it is ready, as readable and as writable. The
    /// platform has no other operation for it but [`close`](selkie_core::platform::Transport::close),
    /// which drops the pollable: drop its stream or socket after that.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full); the pollable then still belongs to the caller.
    ///
    /// # Safety
    ///
    /// `pollable` is the handle of a pollable of `wasi:io/poll`. It belongs to the caller, who
    /// gives it away. The host ends the program if it is another handle.
    pub unsafe fn adopt_pollable(&mut self, pollable: u32) -> Result<Socket, Error> {
        self.check_room()?;
        let streams = Streams::other(&POLLABLE, State::Other, [0; 3], [pollable; 2]);
        Ok(self.list.sockets.insert(streams))
    }

    /// Opens standard input as a source that can be read. A read returns 0 at its end.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full).
    #[cfg(target_arch = "wasm32")]
    pub fn stdin(&mut self) -> Result<Socket, Error> {
        self.check_room()?;
        let input = imports::stdin();
        let pollables = [imports::input_subscribe(input); 2];
        let streams = Streams::other(&INPUT, State::Input, [0, input, 0], pollables);
        Ok(self.list.sockets.insert(streams))
    }
}
