//! What the guests have in common, so that they differ in nothing but how they wait, read and
//! write.
#![forbid(unsafe_code)]

/// How many bytes one read takes at most: as many as the server of the library takes.
pub const READ_MAX: usize = 16 * 1024;

/// How many connections may wait to be accepted; the host cuts it down to its own limit.
pub const BACKLOG: u64 = 4096;

/// Where to listen: what the command line says.
///
/// # Panics
///
/// If it says nothing, or something else.
#[must_use]
pub fn address() -> std::net::SocketAddr {
    let argument = std::env::args().nth(1).expect("an address to listen at");
    argument.parse().expect("an IP address and a port")
}
