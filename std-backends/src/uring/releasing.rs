//! Returning descriptors to the caller: their operations end first, and what the kernel has
//! received or accepted already goes with them.

use std::os::fd::{FromRawFd, OwnedFd};

use selkie_core::platform::Close;
use selkie_core::{Error, ErrorKind, Interest};

use super::completions::take_descriptor;
use super::endpoint::{End, Kind, Repeated};
use super::operations::Operation;
use super::{Uring, UringSocket};

impl Uring {
    /// Returns a connection or another descriptor to the caller, and the number of bytes that the
    /// kernel has received for it and nothing has read, which are copied to `unread`. It is
    /// deregistered first if it is registered, and its handle is stale from now on. Returns when
    /// the kernel has given up receiving, so it enters the ring.
    ///
    /// Before, [`Server::release`](selkie_core::Server::release) takes the connection out of its
    /// server.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`InvalidSource`](ErrorKind::InvalidSource) for a listener,
    /// [`WouldBlock`](ErrorKind::WouldBlock) while output is pending or it is being connected,
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `unread` is too short, or the failure of the
    /// connection. Nothing changes then. A multishot receive may have brought more than the usual
    /// 20 KiB: read a part, and try again.
    pub fn release(
        &mut self,
        source: UringSocket,
        unread: &mut [u8],
    ) -> Result<(OwnedFd, usize), Error> {
        let endpoint = self.live(source)?;
        match endpoint.kind {
            Kind::Listener => return Err(ErrorKind::InvalidSource.into()),
            Kind::Connecting => return Err(Error::WOULD_BLOCK),
            Kind::Stream | Kind::File => {}
        }
        let is_ending = endpoint.shuts_down && endpoint.output.end == End::Open;
        if endpoint.output.length > 0 || endpoint.output.is_sending || is_ending {
            return Err(Error::WOULD_BLOCK);
        }
        let armed = self.end_receiving(source)?;
        let endpoint = self.live(source)?;
        let count = endpoint.input.unread as usize;
        let failure = endpoint.input_end.failure().or(endpoint.output.end.failure());
        let is_short = (count > unread.len()).then(|| ErrorKind::InvalidInput.into());
        if let Some(error) = failure.or(is_short) {
            self.resume_receiving(source, armed);
            return Err(error);
        }
        self.buffers.copy(&endpoint.input, unread);
        let fd = self.give_up(source)?;
        Ok((fd, count))
    }

    /// Returns a listener to the caller, open. `accepted` gets the connections that the kernel has
    /// accepted from it, and nothing has taken. It is deregistered first if it is registered, and
    /// its handle is stale from now on. Enters the ring, as [`release`](Self::release) does.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`InvalidSource`](ErrorKind::InvalidSource) for anything else
    /// than a listener, or what entering the ring says. Nothing changes then.
    pub fn release_listener(
        &mut self,
        listener: UringSocket,
        mut accepted: impl FnMut(OwnedFd),
    ) -> Result<OwnedFd, Error> {
        if self.live(listener)?.kind != Kind::Listener {
            return Err(ErrorKind::InvalidSource.into());
        }
        self.end_receiving(listener)?;
        while let Some((_, endpoint)) = self.endpoints.at_mut(listener.0.index()) {
            let Some(fd) = self.parked.pop(endpoint) else { break };
            // SAFETY: the kernel has opened it for this platform, and it was in the list.
            accepted(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        self.give_up(listener)
    }

    /// Cancels what the kernel waits for at a source, and takes the last completion. Returns what
    /// it was armed for, which is nothing from now on.
    fn end_receiving(&mut self, source: UringSocket) -> Result<Interest, Error> {
        let index = source.0.index();
        let endpoint = self.live_mut(source)?;
        let armed = std::mem::replace(&mut endpoint.armed, Interest::NONE);
        let ended = self.cancel_receiving(index);
        if ended.is_err() {
            self.resume_receiving(source, armed);
        }
        ended.map(|()| armed)
    }

    fn cancel_receiving(&mut self, index: usize) -> Result<(), Error> {
        let Some(endpoint) = self.at(index) else { return Ok(()) };
        if endpoint.receiving == Repeated::Armed {
            let operation = Operation::waiting(endpoint.kind);
            self.cancel(operation, index)?;
        }
        while self.at(index).is_some_and(|endpoint| endpoint.operations > 0) {
            self.buffers.provide();
            self.ring.enter(1, None)?;
            self.take_completions();
        }
        Ok(())
    }

    /// Watches a source again that is not released.
    fn resume_receiving(&mut self, source: UringSocket, armed: Interest) {
        let Ok(endpoint) = self.live_mut(source) else { return };
        endpoint.armed = armed;
        self.begin_missing(source.0.index());
        self.enqueue(source.0.index());
    }

    /// Takes the descriptor out of a source that the kernel does nothing for, and frees its place.
    fn give_up(&mut self, source: UringSocket) -> Result<OwnedFd, Error> {
        let endpoint = self.live_mut(source)?;
        let fd = take_descriptor(endpoint).ok_or(ErrorKind::Stale)?;
        endpoint.closing = Some(Close::Graceful);
        if let Some(token) = endpoint.token.take() {
            self.sources.remove(token);
        }
        self.advance_closing(source.0.index());
        Ok(fd)
    }
}
