//! Datagrams.

use std::net::SocketAddr;

use selkie_core::{Datagrams, Error};

use super::stream::retried;
use super::{Platform, Socket};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::fd::SEND_FLAGS;

impl<S: FdSelector> Datagrams for Platform<S> {
    type Address = SocketAddr;

    fn receive_from(
        &mut self,
        source: Socket,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error> {
        let fd = self.sockets.get(source)?.fd;
        let (address, received) = RawAddress::ask_with(|address, length| {
            // SAFETY: the buffer is valid for writes of its length, and so are the place for the
            // address and its length.
            retried(|| unsafe {
                libc::recvfrom(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0, address, length)
            })
        });
        Ok((received?, address.decode()?))
    }

    fn send_to(&mut self, source: Socket, bytes: &[u8], address: &SocketAddr) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        let to = RawAddress::new(address);
        // SAFETY: the bytes and the address are valid for reads of their lengths.
        retried(|| unsafe {
            libc::sendto(
                fd,
                bytes.as_ptr().cast(),
                bytes.len(),
                SEND_FLAGS,
                to.as_ptr(),
                to.length(),
            )
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use selkie_core::ErrorKind;

    use super::*;
    use crate::DefaultSelector;

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
            assert_eq!(platform.receive_from(other, &mut buffer), Ok((5, from)));
            assert_eq!(platform.receive_from(other, &mut buffer), Ok((8, from)));
            assert_eq!(&buffer, b"the seco");
            let too_long = platform.send_to(one, &vec![0; 70_000], &to).unwrap_err();
            assert!(too_long.kind() == ErrorKind::InvalidInput);
            platform.release(one).unwrap();
            platform.release(other).unwrap();
        }
    }
}
