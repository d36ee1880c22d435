//! The line of the PROXY protocol, version 1.

use core::fmt::{self, Write};
use core::net::SocketAddr;

/// The longest line of the protocol.
const LINE_MAX: usize = 107;

/// A line that is being written.
struct Line {
    bytes: [u8; LINE_MAX],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Calls `send` with the line for a client, which is unknown without an address, or if it and the
/// proxy have addresses of different families.
pub(super) fn with_line<T>(
    client: Option<SocketAddr>,
    own: SocketAddr,
    send: impl FnOnce(&[u8]) -> T,
) -> T {
    let mut line = Line { bytes: [0; LINE_MAX], length: 0 };
    // The longest line fits.
    let _ = match client {
        Some(from) if from.is_ipv4() == own.is_ipv4() => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let (source, target, port) = (from.ip(), own.ip(), own.port());
            write!(line, "PROXY {family} {source} {target} {} {port}\r\n", from.port())
        }
        _ => line.write_str("PROXY UNKNOWN\r\n"),
    };
    send(&line.bytes[..line.length])
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    fn line(client: Option<&str>, own: &str) -> String {
        let parse = |text: &str| text.parse().expect("an address");
        with_line(client.map(parse), parse(own), |line| String::from_utf8_lossy(line).into_owned())
    }

    #[test]
    fn a_line_names_both_addresses() {
        let v4 = line(Some("192.0.2.1:5000"), "192.0.2.2:80");
        assert_eq!(v4, "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n");
        let longest = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let ip = &longest[1..longest.len() - 7];
        let v6 = line(Some(longest), longest);
        assert_eq!(v6, std::format!("PROXY TCP6 {ip} {ip} 65535 65535\r\n"));
        assert_eq!(line(None, longest), "PROXY UNKNOWN\r\n");
        assert_eq!(line(Some("192.0.2.1:1"), longest), "PROXY UNKNOWN\r\n");
    }
}
