//! Datagrams.

use std::net::SocketAddr;

use selkie_core::Error;
use selkie_core::platform::{Datagram, Datagrams};

use super::{Platform, Socket};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::io;
use crate::sys::retry::retried;

impl<S: FdSelector> Datagrams for Platform<S> {
    type Address = SocketAddr;

    fn receive_from(
        &mut self,
        source: Socket,
        buffer: &mut [u8],
    ) -> Result<Datagram<SocketAddr>, Error> {
        let fd = self.sockets.get(source)?.fd;
        io::receive_from(fd, buffer)
    }

    fn send_to(&mut self, source: Socket, bytes: &[u8], address: &SocketAddr) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        let to = RawAddress::new(address);
        retried(|| io::send_to(fd, bytes, &to)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use selkie_core::ErrorKind;

    use super::*;
    use crate::platform::soon;
    use crate::selectors::DefaultSelector;

    #[test]
    fn messages_arrive_whole_and_name_their_sender() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let any: SocketAddr = any.parse().unwrap();
            let (Ok(one), Ok(other)) = (platform.bind_udp(any), platform.bind_udp(any)) else {
                eprintln!("not checked with {any}: this host has no such address");
                continue;
            };
            let (from, to) =
                (platform.local_address(one).unwrap(), platform.local_address(other).unwrap());
            let mut buffer = [0; 8];
            assert_eq!(platform.receive_from(other, &mut buffer), Err(Error::WOULD_BLOCK));
            platform.send_to(one, b"first", &to).unwrap();
            platform.send_to(one, b"the second is cut", &to).unwrap();
            let first = Datagram { length: 5, is_truncated: false, sender: Some(from) };
            assert_eq!(soon(|| platform.receive_from(other, &mut buffer)), Ok(first));
            let second = Datagram { length: 8, is_truncated: true, sender: Some(from) };
            assert_eq!(soon(|| platform.receive_from(other, &mut buffer)), Ok(second));
            assert_eq!(&buffer, b"the seco");
            let too_long = platform.send_to(one, &vec![0; 70_000], &to).unwrap_err();
            assert!(too_long.kind() == ErrorKind::InvalidInput);
            platform.release(one).unwrap();
            platform.release(other).unwrap();
        }
    }
}
