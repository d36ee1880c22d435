//! `wasi:sockets/ip-name-lookup`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Handle;
use super::tcp::{ErrorCode, RawHandles, with_network};

/// `result<option<ip-address>, error-code>`, as the numbers of 16 bits that it consists of: the
/// case, the option or the error, the family, and up to eight numbers of the address.
type RawNext = [u16; 11];

#[link(wasm_import_module = "wasi:sockets/ip-name-lookup@0.2.0")]
unsafe extern "C" {
    #[link_name = "resolve-addresses"]
    fn raw_resolve(network: Handle, name: *const u8, len: usize, result: *mut RawHandles);
    #[link_name = "[method]resolve-address-stream.resolve-next-address"]
    fn raw_next(stream: Handle, result: *mut RawNext);
    /// Creates the pollable of a lookup.
    #[link_name = "[method]resolve-address-stream.subscribe"]
    pub(crate) safe fn subscribe(stream: Handle) -> Handle;
    /// Drops a lookup.
    #[link_name = "[resource-drop]resolve-address-stream"]
    pub(crate) safe fn drop_stream(stream: Handle);
}

/// Starts the lookup of a name.
pub(crate) fn resolve(name: &str) -> Result<Handle, ErrorCode> {
    let mut started = RawHandles::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    with_network(|network| unsafe {
        raw_resolve(network, name.as_ptr(), name.len(), &raw mut started);
    });
    started.result().map(|[stream]| stream)
}

/// Returns the next address of a lookup, or `None` if there are no more.
pub(crate) fn next(stream: Handle) -> Result<Option<IpAddr>, ErrorCode> {
    let mut next = RawNext::default();
    // SAFETY: all memory that the host reads and writes is valid for the call.
    unsafe { raw_next(stream, &raw mut next) };
    // Each case is one byte; what is beside it is not written.
    let [is_error, case, family, address @ ..] = next;
    let low = |number: u16| number.to_le_bytes()[0];
    if low(is_error) != 0 {
        return Err(low(case));
    }
    if low(case) == 0 {
        return Ok(None);
    }
    Ok(Some(if low(family) == 0 {
        let ([a, b], [c, d]) = (address[0].to_le_bytes(), address[1].to_le_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(address))
    }))
}
