//! Addresses and results as the canonical ABI lays them out in memory.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use selkie_core::{Error, ErrorKind};

/// `result<_, error-code>`: whether it failed, which case of the error, and the text that one of
/// the cases has.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Fallible([u32; 5]);

impl Fallible {
    /// Success, to be overwritten.
    pub(super) const EMPTY: Self = Self([0; 5]);

    /// The result in the terms of core.
    pub(super) const fn check(&self) -> Result<(), Error> {
        check(self.0[0], self.0[1])
    }
}

/// Room for every result that a call of a socket writes: `result<T, error-code>`, in which T is a
/// handle or an address.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Returned([u32; 9]);

impl Returned {
    /// To be overwritten.
    pub(super) const EMPTY: Self = Self([0; 9]);

    /// Success, with a handle.
    #[cfg(test)]
    pub(super) const fn of_handle(handle: u32) -> Self {
        Self([0, handle, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The result without its payload.
    pub(super) const fn check(&self) -> Result<(), Error> {
        check(self.0[0], self.0[1])
    }

    /// The handle of something.
    pub(super) fn handle(&self) -> Result<u32, Error> {
        self.check()?;
        Ok(self.0[1])
    }

    /// An address.
    pub(super) fn address(&self) -> Result<SocketAddr, Error> {
        self.check()?;
        let [_, family, port, flow, first, second, third, fourth, scope] = self.0;
        if family & CASE == 0 {
            let octets = port >> 16 | flow << 16;
            return Ok(SocketAddr::V4(SocketAddrV4::new(
                Ipv4Addr::from(octets.to_le_bytes()),
                low(port),
            )));
        }
        let segments = [first, second, third, fourth].map(|pair| u128::from(pair.rotate_left(16)));
        let ip = segments.into_iter().fold(0, |ip, pair| ip << 32 | pair);
        Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), low(port), flow, scope)))
    }
}

/// What of a word is the number of a case. What stands beside it has no meaning.
const CASE: u32 = 0xff;

/// The first half of a word.
#[expect(clippy::cast_possible_truncation, reason = "it is the point")]
const fn low(word: u32) -> u16 {
    word as u16
}

/// What the first two words of a result say.
const fn check(failed: u32, case: u32) -> Result<(), Error> {
    if failed & CASE == 0 { Ok(()) } else { Err(error(case & CASE)) }
}

/// The arguments of `connect`: the socket and the address, `ip-socket-address`, in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Connect {
    socket: u32,
    version: u32,
    address: [u8; 28],
}

impl Connect {
    /// The arguments for this socket and address.
    pub(super) fn new(socket: u32, address: &SocketAddr) -> Self {
        let mut place = [0; 28];
        place[..2].copy_from_slice(&address.port().to_le_bytes());
        match address {
            SocketAddr::V4(address) => place[2..6].copy_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => {
                place[4..8].copy_from_slice(&address.flowinfo().to_le_bytes());
                for (target, segment) in
                    place[8..24].chunks_exact_mut(2).zip(address.ip().segments())
                {
                    target.copy_from_slice(&segment.to_le_bytes());
                }
                place[24..].copy_from_slice(&address.scope_id().to_le_bytes());
            }
        }
        Self { socket, version: family(address), address: place }
    }
}

/// The family of an address, as a case of `ip-address-family` and of `ip-socket-address`.
pub(super) const fn family(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(_) => 1,
    }
}

/// An address as arguments, without its family and port.
pub(super) fn parts(address: &SocketAddr) -> [u32; 10] {
    let mut parts = [0; 10];
    match address.ip() {
        IpAddr::V4(ip) => {
            for (part, octet) in parts.iter_mut().zip(ip.octets()) {
                *part = u32::from(octet);
            }
        }
        IpAddr::V6(ip) => {
            for (part, segment) in parts[1..].iter_mut().zip(ip.segments()) {
                *part = u32::from(segment);
            }
        }
    }
    if let SocketAddr::V6(address) = address {
        (parts[0], parts[9]) = (address.flowinfo(), address.scope_id());
    }
    parts
}

/// What a case of `error-code` means. The platform's code is the number of the case, plus one.
#[cold]
const fn error(case: u32) -> Error {
    let kind = match case {
        0 => ErrorKind::PermissionDenied,
        1 => ErrorKind::Unsupported,
        2 => ErrorKind::InvalidInput,
        3 => ErrorKind::OutOfMemory,
        4 => ErrorKind::TimedOut,
        5 => ErrorKind::NotConnected,
        6 => ErrorKind::AddressUnavailable,
        7 => ErrorKind::AddressInUse,
        8 => ErrorKind::Unreachable,
        9 => ErrorKind::ConnectionRefused,
        10 => ErrorKind::BrokenPipe,
        11 => ErrorKind::ConnectionReset,
        12 => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    Error::with_code(kind, case.cast_signed() + 1)
}
