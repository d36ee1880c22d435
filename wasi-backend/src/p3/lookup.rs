//! The lookup of names: a call in flight, whose result is a list of addresses.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use selkie_core::{Error, ErrorKind};

use super::address::CASE;
use super::endpoint::{Functions, Kind, NO_ADDRESS, State};
use super::{WaitableSet, lists};
use crate::shared::direction::Direction;
use crate::shared::socket_table::Socket;

#[link(wasm_import_module = "wasi:sockets/ip-name-lookup@0.3.0")]
unsafe extern "C" {
    #[link_name = "[async-lower]resolve-addresses"]
    fn resolve_addresses(name: *const u8, len: usize, result: *mut u32) -> u32;
}

static LOOKUP: Functions = Functions {
    // It has one call, which is in flight from the beginning.
    request: |_, _, _| {},
    finish: |platform, slot, direction, event| {
        platform.finish_call(slot, direction, event);
    },
    release,
    local_address: |_| NO_ADDRESS,
};

/// The case of an error that may have a text.
const TEXT: u32 = 5;

/// `ip-address` in memory: the case, in a number of two bytes, and up to eight numbers.
type RawAddress = [u16; 9];

impl WaitableSet {
    /// Starts to look up the addresses of a name. The source is readable when
    /// [`next_address`](Self::next_address) has something to return. Close it to end the lookup.
    /// Each one takes a page of memory.
    ///
    /// # Errors
    ///
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable) or
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) where the host looks up no names (wasmtime
    /// does with `-S allow-ip-name-lookup`), [`InvalidInput`](ErrorKind::InvalidInput) for what is
    /// no name, [`Full`](ErrorKind::Full), [`OutOfMemory`](ErrorKind::OutOfMemory). A host may say
    /// so later, by `next_address`.
    pub fn look_up(&mut self, name: &str) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        lists::reserve()?;
        let (source, slot) = self.add(Kind::Other, 0);
        self.endpoints.at(slot).platform.functions = Some(&LOOKUP);
        let place = self.read_aheads[slot].word_place::<0>();
        // SAFETY: the name is read during the call, or the call is cancelled. The memory for the
        // result is large enough and `'static`, and its place in the table was vacant.
        let word = unsafe { resolve_addresses(name.as_ptr(), name.len(), place) };
        if self.record_call(slot, Direction::Read, word) {
            if let Err(error) = self.addresses(slot) {
                self.release(slot);
                return Err(error);
            }
        } else if word & 0xf == super::abi::SUBTASK_STARTING {
            self.release(slot);
            return Err(Error::WOULD_BLOCK);
        }
        Ok(source)
    }

    /// Returns the next address of a lookup, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](ErrorKind::WouldBlock) while the host looks it up,
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable) if the name has none, and errors of
    /// the host.
    pub fn next_address(&mut self, source: Socket) -> Result<Option<IpAddr>, Error> {
        let slot = self.of_kind(source, &LOOKUP, Direction::Read)?;
        let endpoint = &mut self.endpoints.at(slot).platform;
        if endpoint.side(Direction::Read).state != State::Ready {
            return Err(Error::WOULD_BLOCK);
        }
        let next = endpoint.ahead_range[0];
        let [start, len] = self.addresses(slot)?;
        if u32::from(next) >= len {
            return Ok(None);
        }
        self.endpoints.at(slot).platform.ahead_range[0] = next + 1;
        let place = start as usize + usize::from(next) * size_of::<RawAddress>();
        // SAFETY: the host wrote `len` of them there, into memory that it was given for that.
        let [case, address @ ..] =
            unsafe { core::ptr::with_exposed_provenance::<RawAddress>(place).read() };
        Ok(Some(if u32::from(case) & CASE == 0 {
            let ([a, b], [c, d]) = (address[0].to_le_bytes(), address[1].to_le_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from(address))
        }))
    }

    /// Returns the place and the number of the addresses of a lookup that is done.
    fn addresses(&self, slot: usize) -> Result<[u32; 2], Error> {
        let [failed, start, len] = self.read_aheads[slot].words::<0, 3>();
        if failed & CASE == 0 { Ok([start, len]) } else { Err(error(start & CASE)) }
    }
}

fn release(platform: &mut WaitableSet, slot: usize) {
    let state = platform.endpoints.at(slot).platform.side(Direction::Read).state;
    if platform.cancel_call(slot, Direction::Read) || state == State::Ready {
        // The addresses, or the text of an error.
        lists::recycle_result(platform.read_aheads[slot].words::<0, 4>(), TEXT);
    }
    lists::cancel();
}

/// Converts a case of `wasi:sockets/ip-name-lookup.error-code`. The code of the error is the number
/// of the case plus one, since 0 means no code.
#[cold]
fn error(case: u32) -> Error {
    let kind = match case {
        0 => ErrorKind::PermissionDenied,
        1 => ErrorKind::InvalidInput,
        2 | 4 => ErrorKind::AddressUnavailable,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, case.cast_signed() + 1)
}
