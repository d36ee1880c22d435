//! Addresses and results in the layout of the canonical ABI.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use selkie_core::Error;

use super::error::error;

/// `result<_, error-code>`: success or failure, the case of the error, and the text of one of the
/// cases.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Fallible([u32; 5]);

impl Fallible {
    /// Success, before the host writes to it.
    pub(super) const EMPTY: Self = Self([0; 5]);

    /// Converts the result.
    pub(super) const fn check(&self) -> Result<(), Error> {
        check(self.0[0], self.0[1])
    }
}

/// Memory for the result of a call on a socket: `result<T, error-code>`, where T is a handle or an
/// address.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Returned([u32; 9]);

impl Returned {
    /// All zero, before the host writes to it.
    pub(super) const EMPTY: Self = Self([0; 9]);

    /// Creates a success with a handle.
    #[cfg(test)]
    pub(super) const fn of_handle(handle: u32) -> Self {
        Self([0, handle, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Converts the result without its payload.
    pub(super) const fn check(&self) -> Result<(), Error> {
        check(self.0[0], self.0[1])
    }

    /// Returns the handle of a success.
    pub(super) fn handle(&self) -> Result<u32, Error> {
        self.check()?;
        Ok(self.0[1])
    }

    /// Returns the address of a success.
    pub(super) fn address(&self) -> Result<SocketAddr, Error> {
        self.check()?;
        let [_, address @ ..] = self.0;
        Ok(socket_address(address))
    }
}

/// Converts `ip-socket-address` as it is in memory.
pub(super) fn socket_address(words: [u32; 8]) -> SocketAddr {
    let [family, port, flow, first, second, third, fourth, scope] = words;
    if family & CASE == 0 {
        let octets = port >> 16 | flow << 16;
        return SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets.to_le_bytes()), low(port)));
    }
    let segments = [first, second, third, fourth].map(|pair| u128::from(pair.rotate_left(16)));
    let ip = segments.into_iter().fold(0, |ip, pair| ip << 32 | pair);
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), low(port), flow, scope))
}

/// The bits of a word that are the number of a case. The others have no meaning.
pub(super) const CASE: u32 = 0xff;

/// Returns the low half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the high half is dropped on purpose")]
const fn low(word: u32) -> u16 {
    word as u16
}

/// Converts the first two words of a result.
const fn check(failed: u32, case: u32) -> Result<(), Error> {
    if failed & CASE == 0 { Ok(()) } else { Err(error(case & CASE)) }
}

/// The arguments of `connect`: the socket and the address, `ip-socket-address`, in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Connect {
    pub(super) socket: u32,
    pub(super) address: RawAddress,
}

/// `ip-socket-address` in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct RawAddress {
    version: u32,
    address: [u8; 28],
}

impl RawAddress {
    /// Converts an address.
    pub(super) fn new(address: &SocketAddr) -> Self {
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
        Self { version: family(address), address: place }
    }
}

/// Returns the case of `ip-address-family` and of `ip-socket-address` for an address.
pub(super) const fn family(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(_) => 1,
    }
}

/// Converts an address to arguments, without its family and port.
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
