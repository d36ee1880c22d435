//! Addresses in the layout of the canonical ABI.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::ErrorCode;

/// An `ip-socket-address` as twelve arguments of a call: the family, the port, and the rest.
pub(super) type FlatAddress = [u32; 12];

/// Converts an address to arguments.
pub(super) fn flat(address: &SocketAddr) -> FlatAddress {
    let mut flat = [0; 12];
    flat[1] = u32::from(address.port());
    match address {
        SocketAddr::V4(address) => {
            for (place, byte) in flat[2..].iter_mut().zip(address.ip().octets()) {
                *place = u32::from(byte);
            }
        }
        SocketAddr::V6(address) => {
            flat[0] = 1;
            flat[2] = address.flowinfo();
            for (place, segment) in flat[3..].iter_mut().zip(address.ip().segments()) {
                *place = u32::from(segment);
            }
            flat[11] = address.scope_id();
        }
    }
    flat
}

/// `ip-socket-address`.
#[derive(Clone, Copy, Default)]
#[repr(C, align(4))]
pub(crate) struct RawSocketAddress {
    /// 0 for version 4, 1 for version 6.
    family: [u8; 4],
    port: [u8; 2],
    /// Version 4: four bytes behind the port. Version 6: two bytes of padding, the flow
    /// information, eight numbers of 16 bits, the scope.
    rest: [u8; 26],
}

/// `result<ip-socket-address, error-code>`; an error is in the place of the family.
#[derive(Clone, Copy, Default)]
#[repr(C, align(4))]
pub(crate) struct RawAddress {
    is_error: [u8; 4],
    address: RawSocketAddress,
}

impl RawAddress {
    /// Converts the result.
    pub(super) fn result(&self) -> Result<SocketAddr, ErrorCode> {
        self.check()?;
        Ok(self.address.read())
    }

    /// Returns the error, if it is one.
    pub(super) const fn check(&self) -> Result<(), ErrorCode> {
        if self.is_error[0] == 0 { Ok(()) } else { Err(self.address.family[0]) }
    }
}

impl RawSocketAddress {
    /// Converts to an address.
    pub(super) fn read(&self) -> SocketAddr {
        let port = u16::from_le_bytes(self.port);
        if self.family[0] == 0 {
            let [a, b, c, d, ..] = self.rest;
            return SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port);
        }
        let word =
            |at: usize| u32::from_le_bytes(core::array::from_fn(|index| self.rest[at + index]));
        let segments = core::array::from_fn(|index| {
            u16::from_le_bytes([self.rest[6 + 2 * index], self.rest[7 + 2 * index]])
        });
        SocketAddrV6::new(Ipv6Addr::from(segments), port, word(2), word(22)).into()
    }

    /// Converts an address.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn write(address: &SocketAddr) -> Self {
        let mut raw = Self { port: address.port().to_le_bytes(), ..Self::default() };
        match address {
            SocketAddr::V4(address) => raw.rest[..4].copy_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => {
                raw.family[0] = 1;
                raw.rest[2..6].copy_from_slice(&address.flowinfo().to_le_bytes());
                for (place, segment) in
                    raw.rest[6..22].chunks_exact_mut(2).zip(address.ip().segments())
                {
                    place.copy_from_slice(&segment.to_le_bytes());
                }
                raw.rest[22..].copy_from_slice(&address.scope_id().to_le_bytes());
            }
        }
        raw
    }
}
