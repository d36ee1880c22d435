//! The part that the guests have in common, so that they differ in nothing but how they wait, read
//! and write.
#![forbid(unsafe_code)]

/// The most bytes of one read: as many as the server of the library takes.
pub const READ_MAX: usize = 16 * 1024;

/// The most connections that wait to be accepted; the host cuts it down to its own limit.
pub const BACKLOG: u64 = 4096;

/// Returns the address on the command line.
///
/// # Panics
///
/// If there is none, or it is no address.
#[must_use]
pub fn address() -> std::net::SocketAddr {
    let argument = std::env::args().nth(1).expect("an address to listen at");
    argument.parse().expect("an IP address and a port")
}
