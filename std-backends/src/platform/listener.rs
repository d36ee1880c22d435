//! Listeners.
//!
//! Quirks, each repeated at the line that it concerns:
//!
//! * *inherited-options*: an accepted connection inherits keep-alive from its listener, and on
//!   Linux `TCP_NODELAY` too, which saves system calls for each.
//! * *inherited-linger*: an accepted connection inherits `SO_LINGER` from its listener, one that
//!   was in the backlog also after the listener's was removed. It would make closing block.
//! * *pending-errors*: Linux returns errors of the network that are pending on a new connection
//!   from `accept`. They are that connection's, not the listener's.

use std::net::SocketAddr;

use selkie_core::platform::ListenOptions;
use selkie_core::{Error, ErrorKind};

use super::socket_table::Properties;
use super::{Platform, Socket, set_v6_only};
use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::source::{OwnedSource, RawSource, raw};
use crate::sys::{errno, socket};

impl<S: FdSelector> Platform<S> {
    /// Opens a TCP listener at `address`; port 0 asks the system for a free one, which
    /// [`local_address`](Self::local_address) returns. Up to `backlog` connections wait to be
    /// accepted, or fewer where the system has a lower limit. All else is as in
    /// [`ListenOptions::DEFAULT`].
    ///
    /// # Errors
    ///
    /// [`AddressInUse`](ErrorKind::AddressInUse),
    /// [`AddressUnavailable`](ErrorKind::AddressUnavailable),
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for a privileged port,
    /// [`Full`](ErrorKind::Full), or another error of the system.
    pub fn listen(&mut self, address: SocketAddr, backlog: i32) -> Result<Socket, Error> {
        let backlog = u32::try_from(backlog).unwrap_or(0);
        self.listen_with(address, &ListenOptions::DEFAULT.backlog(backlog))
    }

    /// Opens a TCP listener at `address` in the given way; see [`listen`](Self::listen).
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn listen_with(
        &mut self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> Result<Socket, Error> {
        let listener = open(address, options)?;
        let sets_no_delay = options.has_no_delay() && !socket::INHERITS_NO_DELAY;
        self.insert_with(listener, Properties { sets_no_delay, ..Properties::SOCKET })
    }

    /// Takes over a listener that was opened elsewhere: inherited from a service manager, or made
    /// by the standard library. What the options say of connections applies to those that are
    /// accepted from now on. The descriptor is no longer passed on to programs that are started.
    ///
    /// # Errors
    ///
    /// [`InvalidSource`](ErrorKind::InvalidSource) if it is no listening socket,
    /// [`Full`](ErrorKind::Full); with the descriptor.
    pub fn listen_on(
        &mut self,
        listener: impl Into<OwnedSource>,
        options: &ListenOptions,
    ) -> Result<Socket, (Error, OwnedSource)> {
        let listener = listener.into();
        if !socket::is_listener(raw(&listener)) {
            return Err((Error::new(ErrorKind::InvalidSource), listener));
        }
        // Neither exists for a Unix socket, and neither is a reason not to serve.
        if let Some(keep_alive) = options.probes() {
            let _ = socket::set_keep_alive(raw(&listener), &keep_alive);
        }
        if options.has_no_delay() {
            socket::set_no_delay(raw(&listener));
        }
        let _ = socket::close_on_exec(raw(&listener));
        self.adopt(listener)
    }

    /// Accepts one connection that waits at a listener.
    pub(super) fn accept_stream(&mut self, listener: Socket) -> Result<Socket, Error> {
        let entry = *self.sockets.get(listener)?;
        if !self.sockets.has_room() {
            // As at the limit of the process, the connection keeps waiting.
            return Err(Error::new(ErrorKind::OutOfDescriptors));
        }
        // The address is written over, also by a call that finds nothing.
        self.accepted = None;
        let stream = accept(entry.fd, &mut self.accepted_from)?;
        // inherited-options: nothing to do for a listener of our own.
        if entry.properties.sets_no_delay {
            socket::set_no_delay(raw(&stream));
        }
        // inherited-linger: closing must not block. A connection that is gone has no options.
        if entry.properties.clears_linger {
            let _ = socket::clear_linger(raw(&stream));
        }
        let stream = self.insert_socket(stream)?;
        self.accepted = Some(stream);
        Ok(stream)
    }
}

/// Opens a TCP listener.
pub(crate) fn open(address: SocketAddr, options: &ListenOptions) -> Result<OwnedSource, Error> {
    let bound = RawAddress::new(&address);
    let listener = socket::stream(&bound)?;
    if options.reuses_port() {
        socket::set_reuse_port(raw(&listener))?;
    } else {
        socket::set_reuse_address(raw(&listener))?;
    }
    set_v6_only(&listener, &address, options.is_v6_only())?;
    // inherited-options: what follows is for the connections.
    if let Some(keep_alive) = options.probes() {
        socket::set_keep_alive(raw(&listener), &keep_alive)?;
    }
    if options.has_no_delay() && socket::INHERITS_NO_DELAY {
        socket::set_no_delay(raw(&listener));
    }
    socket::bind(raw(&listener), &bound)?;
    let backlog = i32::try_from(options.backlog_max()).unwrap_or(i32::MAX);
    socket::listen(raw(&listener), backlog)?;
    Ok(listener)
}

/// Accepts one connection that waits at a listener, and its peer's address.
pub(crate) fn accept(listener: RawSource, peer: &mut RawAddress) -> Result<OwnedSource, Error> {
    loop {
        match socket::accept(listener, peer) {
            Ok(stream) => return Ok(stream),
            Err(error) => accept_error(error)?,
        }
    }
}

/// Classifies a failed `accept`: `Ok` if it was only interrupted, and is to be repeated.
fn accept_error(error: Error) -> Result<(), Error> {
    let Some(code) = error.code() else { return Err(error) };
    match code {
        errno::INTERRUPTED => return Ok(()),
        errno::WOULD_BLOCK => return Err(Error::WOULD_BLOCK),
        _ => {}
    }
    // pending-errors: the connection failed, and the listener goes on.
    let is_of_connection = errno::is_of_connection(code);
    let kind = if is_of_connection { ErrorKind::ConnectionAborted } else { error.kind() };
    Err(Error::with_code(kind, code))
}

#[cfg(test)]
mod tests {
    use selkie_core::platform::{Close, KeepAlive, Transport};

    use super::*;
    use crate::platform::soon;
    use crate::selectors::DefaultSelector;

    #[test]
    fn a_failed_accept_is_repeated_or_returned() {
        let failed = |code| accept_error(errno::from_errno(code)).map_err(Error::kind);
        assert_eq!(failed(errno::INTERRUPTED), Ok(()));
        assert_eq!(failed(errno::WOULD_BLOCK), Err(ErrorKind::WouldBlock));
        assert_eq!(failed(errno::ABORTED), Err(ErrorKind::ConnectionAborted));
    }

    #[test]
    fn connections_have_the_options_of_their_listener() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        let keep_alive = KeepAlive::DEFAULT.count(3);
        for probes in [Some(keep_alive), None] {
            let options = ListenOptions::DEFAULT.keep_alive(probes);
            let listener = platform.listen_with(([127, 0, 0, 1], 0).into(), &options).unwrap();
            let address = platform.local_address(listener).unwrap();
            let _client = std::net::TcpStream::connect(address).unwrap();
            let accepted = soon(|| platform.accept(listener)).unwrap();
            let fd = raw(&platform.fd(accepted).unwrap());
            assert_eq!(socket::keeps_alive(fd), Ok(probes.is_some()));
        }
    }

    #[test]
    fn listeners_share_an_address_if_all_of_them_say_so() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        let shared = ListenOptions::DEFAULT.reuse_port(true);
        let first = match platform.listen_with(([127, 0, 0, 1], 0).into(), &shared) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                eprintln!("not checked: this system shares out no connections");
                return;
            }
            first => first.unwrap(),
        };
        let address = platform.local_address(first).unwrap();
        assert!(platform.listen_with(address, &shared).is_ok());
        let alone = platform.listen_with(address, &ListenOptions::DEFAULT).unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::AddressInUse);
    }

    #[test]
    fn connections_send_at_once_and_wait_when_the_table_is_full() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 2).unwrap();
        let listener = platform.listen(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let address = platform.local_address(listener).unwrap();
        let _clients: Vec<_> =
            (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let first = soon(|| platform.accept(listener)).unwrap();
        assert_eq!(socket::no_delay(raw(&platform.fd(first).unwrap())), Ok(true));
        let full = soon(|| platform.accept(listener)).unwrap_err();
        assert!(full.kind() == ErrorKind::OutOfDescriptors, "{full:?}");
        platform.close(first, Close::Abort).unwrap();
        assert!(soon(|| platform.accept(listener)).is_ok(), "the connection kept waiting");
    }

    #[test]
    fn an_inherited_listener_is_served_and_a_stream_is_refused() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap();
        let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inherited.local_addr().unwrap();
        let listener = platform.listen_on(inherited, &ListenOptions::DEFAULT).unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let accepted = soon(|| platform.accept(listener)).unwrap();
        assert_eq!(socket::keeps_alive(raw(&platform.fd(accepted).unwrap())), Ok(true));
        let (error, _) = platform.listen_on(client, &ListenOptions::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSource);
    }
}
