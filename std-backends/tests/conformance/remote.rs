//! The remote side of connections over TCP.

use std::net::{SocketAddr, TcpListener, TcpStream};

use selkie_core::Error;

use crate::world::{self, Owned};

/// A listener that is no platform's.
pub(crate) struct Remote(TcpListener);

impl Remote {
    pub(crate) fn new() -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| world::from_io(&error))?;
        listener.set_nonblocking(true).map_err(|error| world::from_io(&error))?;
        Ok(Self(listener))
    }

    pub(crate) fn address(&self) -> Result<SocketAddr, Error> {
        self.0.local_addr().map_err(|error| world::from_io(&error))
    }

    pub(crate) fn accept(&self) -> Result<Owned, Error> {
        self.0.accept().map(|(stream, _)| stream.into()).map_err(|error| world::from_io(&error))
    }

    /// Makes a connection, and returns its near end and its far end.
    pub(crate) fn pair(&self) -> Result<(Owned, Owned), Error> {
        // A connection to a listener on this host is made when `connect` returns, and waits to be
        // accepted.
        let near = TcpStream::connect(self.address()?).map_err(|error| world::from_io(&error))?;
        near.set_nodelay(true).map_err(|error| world::from_io(&error))?;
        let far = loop {
            match self.0.accept() {
                Ok((far, _)) => break far,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => world::settle(),
                Err(error) => return Err(world::from_io(&error)),
            }
        };
        far.set_nodelay(true).map_err(|error| world::from_io(&error))?;
        Ok((near.into(), far.into()))
    }
}

/// Connects to a listener of a platform.
pub(crate) fn dial(listener: SocketAddr) -> Result<Owned, Error> {
    TcpStream::connect(listener).map(Owned::from).map_err(|error| world::from_io(&error))
}
