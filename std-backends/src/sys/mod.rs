//! The operating system: its error numbers, sources, addresses, clock and limits, in functions that
//! the selectors and the platform share. Each system has the same modules.

pub(crate) mod descriptor_limit;
pub(crate) mod retry;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use selkie_core::ErrorKind;

    use super::address::RawAddress;

    #[test]
    fn addresses_survive_the_trip() {
        for text in ["127.0.0.1:7000", "[::1]:80", "[fe80::1%3]:65535", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::new(&address).decode(), Ok(address));
        }
    }

    #[test]
    fn other_families_are_refused() {
        assert_eq!(RawAddress::room().decode().unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
