//! Socket addresses, in the form of the system and in that of the standard library.

use std::fmt;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use selkie_core::{Error, ErrorKind};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_STORAGE,
    WSAEAFNOSUPPORT,
};

use super::errno;
use super::socket::length_of;

/// A socket address in the system's form. It has room for every kind of address.
pub(crate) struct RawAddress {
    storage: SOCKADDR_STORAGE,
    length: i32,
}

impl fmt::Debug for RawAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawAddress({:?})", self.decode().ok())
    }
}

impl RawAddress {
    /// Makes room for an address that the system is going to write.
    pub(crate) const fn room() -> Self {
        // SAFETY: all bits zero is a valid value of this struct of integers.
        Self { storage: unsafe { zeroed() }, length: length_of::<SOCKADDR_STORAGE>() }
    }

    /// Converts an address to the system's form.
    pub(crate) fn new(address: &SocketAddr) -> Self {
        let mut raw = Self::room();
        match address {
            SocketAddr::V4(address) => {
                let place = (&raw mut raw.storage).cast::<SOCKADDR_IN>();
                // SAFETY: the storage is large enough and aligned for every kind of address, and
                // zeroed.
                let place = unsafe { &mut *place };
                place.sin_family = AF_INET;
                place.sin_port = address.port().to_be();
                place.sin_addr.S_un.S_addr = u32::from_ne_bytes(address.ip().octets());
                raw.length = length_of::<SOCKADDR_IN>();
            }
            SocketAddr::V6(address) => {
                let place = (&raw mut raw.storage).cast::<SOCKADDR_IN6>();
                // SAFETY: as above.
                let place = unsafe { &mut *place };
                place.sin6_family = AF_INET6;
                place.sin6_port = address.port().to_be();
                place.sin6_addr.u.Byte = address.ip().octets();
                place.sin6_flowinfo = address.flowinfo();
                place.Anonymous.sin6_scope_id = address.scope_id();
                raw.length = length_of::<SOCKADDR_IN6>();
            }
        }
        raw
    }

    /// Queries an address of the system, by a call that takes the place for it and returns -1 when
    /// it fails.
    pub(crate) fn query(
        call: impl FnOnce(*mut SOCKADDR, *mut i32) -> i32,
    ) -> Result<SocketAddr, Error> {
        let (raw, result) = Self::query_with(call);
        errno::check(result)?;
        raw.decode()
    }

    /// Makes a call that takes the place for an address, and returns both the address and the
    /// result.
    pub(crate) fn query_with<T>(call: impl FnOnce(*mut SOCKADDR, *mut i32) -> T) -> (Self, T) {
        let mut raw = Self::room();
        let result = raw.fill(call);
        (raw, result)
    }

    /// Makes a call that writes an address, in place of an earlier one.
    pub(crate) fn fill<T>(&mut self, call: impl FnOnce(*mut SOCKADDR, *mut i32) -> T) -> T {
        // A call that writes nothing leaves an address of no family.
        self.storage.ss_family = AF_UNSPEC;
        self.length = length_of::<SOCKADDR_STORAGE>();
        call((&raw mut self.storage).cast(), &raw mut self.length)
    }

    /// Converts the address to the standard library's form, if it is an Internet address.
    pub(crate) fn decode(&self) -> Result<SocketAddr, Error> {
        match self.storage.ss_family {
            AF_INET => {
                // SAFETY: the storage has an address of this family.
                let address = unsafe { &*(&raw const self.storage).cast::<SOCKADDR_IN>() };
                // SAFETY: every bit pattern is a valid number.
                let ip = Ipv4Addr::from(unsafe { address.sin_addr.S_un.S_addr }.to_ne_bytes());
                Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
            }
            AF_INET6 => {
                // SAFETY: as above.
                let address = unsafe { &*(&raw const self.storage).cast::<SOCKADDR_IN6>() };
                // SAFETY: every bit pattern is a valid number.
                let (bytes, scope) =
                    unsafe { (address.sin6_addr.u.Byte, address.Anonymous.sin6_scope_id) };
                let port = u16::from_be(address.sin6_port);
                let ip = Ipv6Addr::from(bytes);
                Ok(SocketAddrV6::new(ip, port, address.sin6_flowinfo, scope).into())
            }
            _ => Err(Error::with_code(ErrorKind::Unsupported, WSAEAFNOSUPPORT)),
        }
    }

    /// Returns the domain of sockets that use the address.
    pub(crate) fn domain(&self) -> i32 {
        self.storage.ss_family.into()
    }

    /// Returns the address as system calls take it.
    pub(crate) const fn as_ptr(&self) -> *const SOCKADDR {
        (&raw const self.storage).cast()
    }

    /// Returns its length as system calls take it.
    pub(crate) const fn length(&self) -> i32 {
        self.length
    }
}
