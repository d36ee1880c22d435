//! Addresses and results as the canonical ABI lays them out in memory.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use selkie_core::{Error, ErrorKind};

/// `result<_, error-code>`: whether it failed, which case of the error, and the text that one of the cases has.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Fallible {
    failed: u8,
    case: Aligned,
    text: [u32; 3],
}

/// A case whose payload is aligned to words.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
struct Aligned(u8);

impl Fallible {
    /// Success, to be overwritten.
    pub(super) const EMPTY: Self = Self { failed: 0, case: Aligned(0), text: [0; 3] };

    /// The result in the terms of core.
    pub(super) const fn check(&self) -> Result<(), Error> {
        if self.failed == 0 { Ok(()) } else { Err(error(self.case.0)) }
    }
}

/// Room for every result that a call of a socket writes: `result<T, error-code>`, in which T is a handle or an address.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub(super) struct Returned([u8; 36]);

/// Where the payload of a result or of an address stands behind its case.
const PAYLOAD: usize = 4;

impl Returned {
    /// To be overwritten.
    pub(super) const EMPTY: Self = Self([0; 36]);

    /// The result without its payload.
    pub(super) const fn check(&self) -> Result<(), Error> {
        if self.0[0] == 0 { Ok(()) } else { Err(error(self.0[PAYLOAD])) }
    }

    /// The handle of something.
    pub(super) fn handle(&self) -> Result<u32, Error> {
        self.check()?;
        Ok(u32::from_le_bytes(self.bytes(PAYLOAD)))
    }

    /// An address.
    pub(super) fn address(&self) -> Result<SocketAddr, Error> {
        self.check()?;
        let start = 2 * PAYLOAD;
        let port = u16::from_le_bytes(self.bytes(start));
        if self.0[PAYLOAD] == 0 {
            let octets: [u8; 4] = self.bytes(start + 2);
            return Ok(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port)));
        }
        let flow = u32::from_le_bytes(self.bytes(start + 4));
        let segments: [u16; 8] = core::array::from_fn(|part| u16::from_le_bytes(self.bytes(start + 8 + 2 * part)));
        let scope = u32::from_le_bytes(self.bytes(start + 24));
        Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(segments), port, flow, scope)))
    }

    fn bytes<const N: usize>(&self, start: usize) -> [u8; N] {
        core::array::from_fn(|at| self.0[start + at])
    }
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
                for (target, segment) in place[8..24].chunks_exact_mut(2).zip(address.ip().segments()) {
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
const fn error(case: u8) -> Error {
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
    Error::with_code(kind, case as i32 + 1)
}
