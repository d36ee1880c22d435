//! UDP sockets. `mod.rs` lists the quirks.
//!
//! A call of `receive` is in flight while a socket is watched: its end is readable readiness. A
//! message goes out by a call of `send`, which mostly returns at once. If it does not, the host has
//! the message already (in-flight-memory does not apply: a call that has started has copied its
//! arguments), and the socket is writable again at the end of that call.

use core::net::SocketAddr;

use selkie_core::platform::{Datagram, Datagrams};
use selkie_core::{Error, ErrorKind};

use super::abi;
use super::address::{self, CASE, RawAddress, Returned, socket_address};
use super::endpoint::{Functions, Kind, State, WaitableEvent};
use super::error::error;
use super::{WaitableSet, lists};
use crate::shared::direction::Direction;
use crate::shared::socket_table::Socket;

#[link(wasm_import_module = "wasi:sockets/types@0.3.0")]
unsafe extern "C" {
    #[link_name = "[static]udp-socket.create"]
    fn raw_create(family: u32, result: *mut Returned);
    #[link_name = "[method]udp-socket.bind"]
    fn raw_bind(
        socket: u32,
        version: u32,
        port: u32,
        part_1: u32,
        part_2: u32,
        part_3: u32,
        part_4: u32,
        part_5: u32,
        part_6: u32,
        part_7: u32,
        part_8: u32,
        part_9: u32,
        part_10: u32,
        result: *mut Returned,
    );
    #[link_name = "[method]udp-socket.get-local-address"]
    fn raw_local_address(socket: u32, result: *mut Returned);
    #[link_name = "[async-lower][method]udp-socket.receive"]
    fn raw_receive(socket: u32, result: *mut u32) -> u32;
    #[link_name = "[async-lower][method]udp-socket.send"]
    fn raw_send(arguments: *const Send, result: *mut u32) -> u32;
    #[link_name = "[resource-drop]udp-socket"]
    safe fn socket_drop(socket: u32);
}

/// The arguments of `send` in memory.
#[repr(C)]
struct Send {
    socket: u32,
    start: *const u8,
    len: usize,
    has_receiver: u32,
    receiver: RawAddress,
}

/// Number of words of the result of `receive`: of `result<tuple<list<u8>, ip-socket-address>,
/// error-code>`.
const RECEIVED: usize = 11;
/// The first word of the result of `send`, behind that of `receive`.
const SENT: usize = 16;

/// The case of an error that may have a text.
const TEXT: u32 = 14;

static UDP: Functions = Functions {
    request,
    finish,
    release,
    local_address,
};

impl WaitableSet {
    /// Opens a UDP socket at `address`. Port 0 means a free port, which
    /// [`local_address`](Self::local_address) returns. It takes a page of memory for messages.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen), and [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn bind_udp(&mut self, address: SocketAddr) -> Result<Socket, Error> {
        if !self.endpoints.has_room() {
            return Err(Error::new(ErrorKind::Full));
        }
        let mut returned = Returned::EMPTY;
        // SAFETY: the place for the result is large enough.
        unsafe { raw_create(address::family(&address), &raw mut returned) };
        let socket = returned.handle()?;
        if let Err(error) = bind(socket, &address).and_then(|()| lists::reserve()) {
            socket_drop(socket);
            return Err(error);
        }
        let (source, slot) = self.add(Kind::Other, socket);
        self.endpoints.at(slot).platform.functions = Some(&UDP);
        Ok(source)
    }
}

/// Binds a socket.
fn bind(socket: u32, address: &SocketAddr) -> Result<(), Error> {
    let mut returned = Returned::EMPTY;
    let place = &raw mut returned;
    let [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10] = address::parts(address);
    let (version, port) = (address::family(address), u32::from(address.port()));
    // SAFETY: the place for the result is large enough.
    unsafe { raw_bind(socket, version, port, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, place) };
    returned.check()
}

fn local_address(socket: u32) -> Result<SocketAddr, Error> {
    let mut returned = Returned::EMPTY;
    // SAFETY: the place for the result is large enough.
    unsafe { raw_local_address(socket, &raw mut returned) };
    returned.address()
}

fn request(platform: &mut WaitableSet, slot: usize, direction: Direction) {
    let endpoint = &mut platform.endpoints.at(slot).platform;
    if direction == Direction::Write {
        endpoint.side(direction).state = State::Ready;
        return;
    }
    let place = platform.read_aheads[slot].word_place::<0>();
    // SAFETY: the memory for the result is large enough and `'static`. By the state of the side, no
    // other operation that writes to it is in flight.
    let word = unsafe { raw_receive(endpoint.socket, place) };
    platform.record_call(slot, direction, word);
}

fn finish(platform: &mut WaitableSet, slot: usize, direction: Direction, event: WaitableEvent) {
    if platform.finish_call(slot, direction, event) && direction == Direction::Write {
        record_sent(platform, slot);
    }
}

/// Records the result of a call that has sent a message, or failed to.
fn record_sent(platform: &mut WaitableSet, slot: usize) {
    let result @ [failed, case, ..] = platform.read_aheads[slot].words::<SENT, 4>();
    if failed & CASE != 0 {
        lists::recycle_result(result, TEXT);
        let side = platform.endpoints.at(slot).platform.side(Direction::Write);
        side.error = Some(error(case & CASE));
    }
}

fn release(platform: &mut WaitableSet, slot: usize) {
    // A message that the host has not sent yet would be lost.
    let endpoint = &mut platform.endpoints.at(slot).platform;
    if endpoint.side(Direction::Write).state == State::InFlight {
        platform.drain_events(usize::MAX);
    }
    let state = platform.endpoints.at(slot).platform.side(Direction::Read).state;
    if platform.cancel_call(slot, Direction::Read) || state == State::Ready {
        // A message that was received, or the text of an error.
        lists::recycle_result(platform.read_aheads[slot].words::<0, 4>(), TEXT);
    }
    platform.cancel_call(slot, Direction::Write);
    lists::cancel();
    socket_drop(platform.endpoints.at(slot).platform.socket);
}

impl Datagrams for WaitableSet {
    type Address = SocketAddr;

    fn receive_from(
        &mut self,
        source: Socket,
        buffer: &mut [u8],
    ) -> Result<Datagram<SocketAddr>, Error> {
        let slot = self.of_kind(source, &UDP, Direction::Read)?;
        if self.endpoints.at(slot).platform.side(Direction::Read).state == State::Unknown {
            request(self, slot, Direction::Read);
        }
        if self.endpoints.at(slot).platform.side(Direction::Read).state != State::Ready {
            return Err(Error::WOULD_BLOCK);
        }
        let [failed, start, len, sender @ ..] = self.read_aheads[slot].words::<0, RECEIVED>();
        self.mark_used(slot, Direction::Read, false);
        let result = [failed, start, len, sender[0]];
        if failed & CASE != 0 {
            lists::recycle_result(result, TEXT);
            return Err(error(start & CASE));
        }
        let received = len as usize;
        let length = received.min(buffer.len());
        // SAFETY: the host wrote as many bytes there, into memory that it was given for that, and
        // that is not given to anyone else before it is given back. The buffer is a reference, and
        // so somewhere else.
        unsafe {
            let start = core::ptr::with_exposed_provenance::<u8>(start as usize);
            core::ptr::copy_nonoverlapping(start, buffer.as_mut_ptr(), length);
        };
        lists::recycle_result(result, TEXT);
        let sender = Some(socket_address(sender));
        Ok(Datagram { length, is_truncated: length < received, sender })
    }

    fn send_to(&mut self, source: Socket, bytes: &[u8], address: &SocketAddr) -> Result<(), Error> {
        let slot = self.of_kind(source, &UDP, Direction::Write)?;
        let endpoint = &mut self.endpoints.at(slot).platform;
        let socket = endpoint.socket;
        let side = endpoint.side(Direction::Write);
        if let Some(error) = side.error.take() {
            return Err(error);
        }
        if side.state == State::InFlight {
            return Err(Error::WOULD_BLOCK);
        }
        let arguments = Send {
            socket,
            start: bytes.as_ptr(),
            len: bytes.len(),
            has_receiver: 1,
            receiver: RawAddress::new(address),
        };
        let place = self.read_aheads[slot].word_place::<SENT>();
        // SAFETY: the arguments are read during the call. The memory for the result is large enough
        // and `'static`, and no other operation that writes to it is in flight.
        let word = unsafe { raw_send(&raw const arguments, place) };
        if self.record_call(slot, Direction::Write, word) {
            record_sent(self, slot);
            let side = self.endpoints.at(slot).platform.side(Direction::Write);
            return side.error.take().map_or(Ok(()), Err);
        }
        if word & 0xf == abi::SUBTASK_STARTING {
            // The host has not read the arguments yet.
            self.cancel_call(slot, Direction::Write);
            self.mark_used(slot, Direction::Write, false);
            return Err(Error::WOULD_BLOCK);
        }
        Ok(())
    }
}
