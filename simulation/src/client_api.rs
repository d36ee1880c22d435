//! The far side of the network: what the clients and servers do that the platform's service has to
//! do with.

use alloc::collections::VecDeque;

use selkie_core::platform::Close;
use selkie_core::{Error, ErrorKind};

use crate::network::{Arrival, Connection, FAR, Network, Outcome};
use crate::trace::trace;
use crate::{Address, FarEnd};

impl Network {
    /// Starts a connection to a near listener.
    pub fn dial(&mut self, address: Address) -> FarEnd {
        let slot = self.connect(FAR);
        let delay = self.latency();
        self.dispatch(slot, Arrival::DialNear(address.0), delay);
        FarEnd { slot, generation: self.connections[slot as usize].generation }
    }

    /// Listens on the far side, for connections that the near side starts.
    pub fn far_listen(&mut self, address: Address) {
        self.far_listeners.push((address, VecDeque::new()));
    }

    /// Takes a connection that the near side started.
    pub fn far_accept(&mut self, address: Address) -> Option<FarEnd> {
        self.far_listeners.iter_mut().find(|(open, _)| *open == address)?.1.pop_front()
    }

    /// Returns the next far end at which something happened: bytes or an end arrived, room was
    /// made, the connection was established or broke.
    pub fn next_news(&mut self) -> Option<FarEnd> {
        loop {
            let far = self.news.pop_front()?;
            if self.far(far).is_ok() {
                self.connections[far.slot as usize].ends[FAR].news = false;
                return Some(far);
            }
        }
    }

    fn far(&self, far: FarEnd) -> Outcome<&Connection> {
        let connection =
            self.find(far.slot, far.generation).filter(|connection| connection.ends[FAR].open);
        connection.ok_or(Error::new(ErrorKind::Stale))
    }

    /// Reads at a far end. 0 is the end of the stream, unless the buffer is empty.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](ErrorKind::WouldBlock), [`ConnectionReset`](ErrorKind::ConnectionReset),
    /// [`ConnectionRefused`](ErrorKind::ConnectionRefused), [`Stale`](ErrorKind::Stale).
    pub fn far_read(&mut self, far: FarEnd, buffer: &mut [u8]) -> Result<usize, Error> {
        self.far(far)?;
        self.read(far.slot, FAR, buffer)
    }

    /// Writes at a far end, as much as there is room for.
    ///
    /// # Errors
    ///
    /// As [`far_read`](Self::far_read), and [`BrokenPipe`](ErrorKind::BrokenPipe).
    pub fn far_write(&mut self, far: FarEnd, bytes: &[u8]) -> Result<usize, Error> {
        self.far(far)?;
        self.write(far.slot, FAR, bytes)
    }

    /// Ends the stream from a far end; reading goes on.
    ///
    /// # Errors
    ///
    /// As [`far_write`](Self::far_write), and [`NotConnected`](ErrorKind::NotConnected).
    pub fn far_end(&mut self, far: FarEnd) -> Result<(), Error> {
        self.far(far)?;
        trace!(self, "far {}: ends its stream", far.slot);
        self.end(far.slot, FAR)
    }

    /// Closes a far end: gracefully if everything was read, with a reset otherwise.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn far_close(&mut self, far: FarEnd, how: Close) -> Result<(), Error> {
        self.far(far)?;
        trace!(self, "far {}: closes ({how:?})", far.slot);
        self.close(far.slot, FAR, how);
        Ok(())
    }

    /// Makes a far end vanish without a packet. The near side notices only by keep-alive, and only
    /// if the network has any.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn far_vanish(&mut self, far: FarEnd) -> Result<(), Error> {
        self.far(far)?;
        trace!(self, "far {}: vanishes", far.slot);
        self.connections[far.slot as usize].ends[FAR].vanished = true;
        let keep_alive = self.parameters.keep_alive;
        if keep_alive > 0 {
            self.dispatch(far.slot, Arrival::KeepAlive, keep_alive);
        }
        Ok(())
    }

    /// Returns whether a far end is connected, rather than on its way or waiting to be told that it
    /// failed.
    #[must_use]
    pub fn is_connected(&self, far: FarEnd) -> bool {
        self.far(far).is_ok_and(|connection| connection.established)
    }
}
