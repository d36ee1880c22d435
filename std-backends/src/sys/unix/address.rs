//! Socket addresses, in the form of the system and in that of the standard library.

use std::fmt;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use selkie_core::{Error, ErrorKind};

use super::socket::length_of;
use crate::sys::errno;

/// A socket address in the system's form. It has room for every kind of address.
pub(crate) struct RawAddress {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
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
        Self { storage: unsafe { zeroed() }, length: length_of::<libc::sockaddr_storage>() }
    }

    /// Converts an address to the system's form.
    pub(crate) fn new(address: &SocketAddr) -> Self {
        let mut raw = Self::room();
        #[allow(clippy::cast_possible_truncation, reason = "address families are small numbers")]
        match address {
            SocketAddr::V4(address) => {
                let place = (&raw mut raw.storage).cast::<libc::sockaddr_in>();
                // SAFETY: the storage is large enough and aligned for every kind of address, and
                // zeroed.
                let place = unsafe { &mut *place };
                place.sin_family = libc::AF_INET as libc::sa_family_t;
                place.sin_port = address.port().to_be();
                place.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                raw.length = length_of::<libc::sockaddr_in>();
            }
            SocketAddr::V6(address) => {
                let place = (&raw mut raw.storage).cast::<libc::sockaddr_in6>();
                // SAFETY: as above.
                let place = unsafe { &mut *place };
                place.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                place.sin6_port = address.port().to_be();
                place.sin6_addr.s6_addr = address.ip().octets();
                place.sin6_flowinfo = address.flowinfo();
                place.sin6_scope_id = address.scope_id();
                raw.length = length_of::<libc::sockaddr_in6>();
            }
        }
        raw
    }

    /// Returns the address of a Unix socket at a path.
    pub(crate) fn of_path(path: &Path) -> Result<Self, Error> {
        let mut raw = Self::room();
        let bytes = path.as_os_str().as_bytes();
        let place = (&raw mut raw.storage).cast::<libc::sockaddr_un>();
        // SAFETY: the storage is large enough and aligned for every kind of address, and zeroed.
        let place = unsafe { &mut *place };
        // One byte is left for the zero at the end, which some systems need.
        if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= place.sun_path.len() {
            return Err(Error::with_code(ErrorKind::InvalidInput, libc::ENAMETOOLONG));
        }
        #[allow(clippy::cast_possible_truncation, reason = "address families are small numbers")]
        {
            place.sun_family = libc::AF_UNIX as libc::sa_family_t;
        }
        for (place, &byte) in place.sun_path.iter_mut().zip(bytes) {
            #[allow(clippy::cast_possible_wrap, reason = "the type differs from system to system")]
            {
                *place = byte as libc::c_char;
            }
        }
        raw.length = length_of::<libc::sockaddr_un>();
        Ok(raw)
    }

    /// Queries an address of the system, by a call that takes the place for it and returns -1 when
    /// it fails.
    pub(crate) fn query(
        call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int,
    ) -> Result<SocketAddr, Error> {
        let (raw, result) = Self::query_with(call);
        errno::check(result)?;
        raw.decode()
    }

    /// Makes a call that takes the place for an address, and returns both the address and the
    /// result.
    pub(crate) fn query_with<T>(
        call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> T,
    ) -> (Self, T) {
        let mut raw = Self::room();
        let result = raw.fill(call);
        (raw, result)
    }

    /// Makes a call that writes an address, in place of an earlier one.
    pub(crate) fn fill<T>(
        &mut self,
        call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> T,
    ) -> T {
        // A call that writes nothing leaves an address of no family.
        // AF_UNSPEC is 0 everywhere.
        self.storage.ss_family = 0;
        self.length = length_of::<libc::sockaddr_storage>();
        call((&raw mut self.storage).cast(), &raw mut self.length)
    }

    /// Converts the address to the standard library's form, if it is an Internet address.
    pub(crate) fn decode(&self) -> Result<SocketAddr, Error> {
        match libc::c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the storage has an address of this family.
                let address = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let address = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                let port = u16::from_be(address.sin6_port);
                Ok(SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into())
            }
            _ => Err(Error::with_code(ErrorKind::Unsupported, libc::EAFNOSUPPORT)),
        }
    }

    /// Returns the domain of sockets that use the address.
    pub(crate) fn domain(&self) -> libc::c_int {
        self.storage.ss_family.into()
    }

    /// Returns the address as system calls take it.
    pub(crate) const fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// Returns its length as system calls take it.
    pub(crate) const fn length(&self) -> libc::socklen_t {
        self.length
    }
}
