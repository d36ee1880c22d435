//! The native platform: a selector, and the descriptors that it does I/O on.

mod datagram;
mod io;
pub(crate) mod listener;
mod socket_table;
mod stream;
#[cfg_attr(windows, path = "no_unix_stream.rs")]
mod unix_stream;

use std::net::SocketAddr;
use std::time::Duration;

use selkie_core::platform::{Capabilities, Events, Selector, Wait, Wake};
use selkie_core::{Error, ErrorKind, Instant, Interest, Mode, Token};

use crate::selector::FdSelector;
use crate::sys::address::RawAddress;
use crate::sys::source::{self, BorrowedSource, OwnedSource, RawSource, raw};
use crate::sys::{file, socket};
use socket_table::{Properties, SocketTable};

pub use socket_table::Socket;
pub use unix_stream::SocketFile;

/// A selector together with the listeners, streams and other descriptors that it watches, for the
/// server layer.
///
/// It owns the descriptors, and names them by handles that it checks: a handle that was closed is
/// [`Stale`](ErrorKind::Stale), and never reaches a descriptor that was opened later. A handle is
/// valid only for the platform that issued it.
#[derive(Debug)]
pub struct Platform<S> {
    /// Dropped before the descriptors that it watches.
    selector: S,
    sockets: SocketTable,
    /// The connection that was accepted last, if there was one.
    accepted: Option<Socket>,
    /// The address of its other end, as accepting told it.
    accepted_from: RawAddress,
}

/// Lends a descriptor to the selector.
fn lent(fd: RawSource) -> BorrowedSource<'static> {
    // SAFETY: the platform owns the descriptor, and deregisters it before it closes or releases it;
    // `FdSelector` promises that the selector uses it no longer than that.
    unsafe { source::borrowed(fd) }
}

impl<S: FdSelector> Platform<S> {
    /// Makes a platform for up to `sockets` descriptors, listeners included.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), or [`InvalidInput`](ErrorKind::InvalidInput) for a
    /// number beyond 2^32 - 2.
    pub fn new(selector: S, sockets: usize) -> Result<Self, Error> {
        let sockets = SocketTable::new(sockets)?;
        Ok(Self { selector, sockets, accepted: None, accepted_from: RawAddress::room() })
    }

    /// Returns the bytes that the table of a platform for up to `sockets` descriptors takes from
    /// the heap, without those of its selector.
    #[must_use]
    pub const fn memory(sockets: usize) -> usize {
        SocketTable::memory(sockets)
    }

    /// Returns the selector.
    #[must_use]
    pub const fn selector(&self) -> &S {
        &self.selector
    }

    /// Opens a UDP socket at `address`.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn bind_udp(&mut self, address: SocketAddr) -> Result<Socket, Error> {
        let bound = RawAddress::new(&address);
        let datagrams = socket::datagram(&bound)?;
        set_v6_only(&datagrams, &address, true)?;
        socket::bind(raw(&datagrams), &bound)?;
        self.insert_socket(datagrams)
    }

    /// Takes ownership of a descriptor that was opened elsewhere, and makes it non-blocking: a Unix
    /// socket, a pipe, an inherited listener.
    ///
    /// What is no socket, such as a terminal that is the standard input, becomes blocking again
    /// when it is closed, released or dropped with the platform, if it was before. `SO_LINGER` is
    /// removed from a socket, since closing it would block.
    ///
    /// A descriptor that is no socket is written to with `write`, which raises SIGPIPE when the
    /// other end is closed. Rust programs ignore that signal by default.
    ///
    /// # Errors
    ///
    /// [`Full`](ErrorKind::Full), with the descriptor, unchanged.
    pub fn adopt(&mut self, fd: OwnedSource) -> Result<Socket, (Error, OwnedSource)> {
        if !self.sockets.has_room() {
            return Err((Error::new(ErrorKind::Full), fd));
        }
        match adopted(&fd) {
            Ok(properties) => {
                self.sockets.insert(fd, properties).map_err(|fd| (Error::new(ErrorKind::Full), fd))
            }
            Err(error) => Err((error, fd)),
        }
    }

    /// Takes ownership of a connection that another platform has accepted, and of the address that
    /// accepting told there, so that no further system call asks for it in
    /// [`Service::opened`](selkie_core::Service::opened).
    ///
    /// # Errors
    ///
    /// As [`adopt`](Self::adopt).
    pub fn adopt_from(
        &mut self,
        fd: OwnedSource,
        address: Option<SocketAddr>,
    ) -> Result<Socket, (Error, OwnedSource)> {
        let socket = self.adopt(fd)?;
        if let Some(address) = address {
            self.accepted = Some(socket);
            self.accepted_from = RawAddress::new(&address);
        }
        Ok(socket)
    }

    /// Returns a descriptor to the caller. It is deregistered first if it is registered, and its
    /// handle is stale from now on.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn release(&mut self, socket: Socket) -> Result<OwnedSource, Error> {
        let fd = lent(self.sockets.get(socket)?.fd);
        if let Some(token) = self.selector.token_of(fd) {
            // A selector that fails has no more use for the descriptor either.
            let _ = self.selector.deregister(fd, token);
        }
        self.sockets.remove(socket)
    }

    /// Returns the descriptor, for what this platform does not offer, such as a socket option.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale).
    pub fn fd(&self, socket: Socket) -> Result<BorrowedSource<'_>, Error> {
        self.sockets.get(socket).map(|entry| lent(entry.fd))
    }

    /// Returns the address of this end of a socket.
    ///
    /// # Errors
    ///
    /// [`Stale`](ErrorKind::Stale), [`Unsupported`](ErrorKind::Unsupported) for a source
    /// without an Internet address, or another error of the system.
    pub fn local_address(&self, socket: Socket) -> Result<SocketAddr, Error> {
        let fd = self.sockets.get(socket)?.fd;
        socket::local_address(fd)
    }

    /// Returns the address of the other end of a connection.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](ErrorKind::NotConnected), and as [`local_address`](Self::local_address).
    pub fn peer_address(&self, socket: Socket) -> Result<SocketAddr, Error> {
        let fd = self.sockets.get(socket)?.fd;
        socket::peer_address(fd)
    }

    /// Takes ownership of a socket that was just opened.
    pub(crate) fn insert_socket(&mut self, socket: OwnedSource) -> Result<Socket, Error> {
        self.insert_with(socket, Properties::SOCKET)
    }

    /// Takes ownership of a socket of these properties.
    fn insert_with(&mut self, socket: OwnedSource, known: Properties) -> Result<Socket, Error> {
        self.sockets.insert(socket, known).map_err(|_closed| Error::new(ErrorKind::Full))
    }
}

/// Prepares a descriptor that was opened elsewhere, and returns its properties.
fn adopted(fd: &OwnedSource) -> Result<Properties, Error> {
    let borrowed = lent(raw(fd));
    let is_socket = socket::is_socket(borrowed);
    let mut properties = Properties { is_socket, ..Properties::FILE };
    if is_socket {
        socket::adopt(borrowed)?;
        properties.sets_no_delay = true;
        properties.clears_linger = socket::clear_linger(raw(fd))?;
    } else {
        properties.was_blocking = file::set_nonblocking(borrowed)?;
    }
    Ok(properties)
}

/// Restricts a socket with an IPv6 address to IPv6, or not. Systems differ in their default.
fn set_v6_only(bound: &OwnedSource, address: &SocketAddr, is_v6_only: bool) -> Result<(), Error> {
    if address.is_ipv4() {
        return Ok(());
    }
    socket::set_v6_only(raw(bound), is_v6_only)
}

impl<S: FdSelector> Selector for Platform<S> {
    type Source = Socket;

    fn register(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        self.selector.register(lent(fd), token, interest, mode)
    }

    fn modify(
        &mut self,
        source: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        self.selector.modify(lent(fd), token, interest, mode)
    }

    fn deregister(&mut self, source: Socket, token: Token) -> Result<(), Error> {
        let fd = self.sockets.get(source)?.fd;
        self.selector.deregister(lent(fd), token)
    }

    #[inline]
    fn poll(&mut self, now: Instant, events: &mut Events<'_>) -> Result<(), Error> {
        self.selector.poll(now, events)
    }

    #[inline]
    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        self.selector.next_deadline(now)
    }

    fn capabilities(&self) -> Capabilities {
        self.selector.capabilities() | Capabilities::CHECK | Capabilities::ABORT
    }

    fn capacity(&self) -> usize {
        self.selector.capacity().min(self.sockets.capacity())
    }
}

impl<S: FdSelector + Wait> Wait for Platform<S> {
    #[inline]
    fn now(&mut self) -> Instant {
        self.selector.now()
    }

    #[inline]
    fn wait(&mut self, events: &mut Events<'_>, deadline: Option<Instant>) -> Result<(), Error> {
        self.selector.wait(events, deadline)
    }

    #[inline]
    fn wait_for(&mut self, events: &mut Events<'_>, timeout: Duration) -> Result<(), Error> {
        self.selector.wait_for(events, timeout)
    }
}

impl<S: FdSelector + Wake> Wake for Platform<S> {
    type Waker = S::Waker;

    fn waker(&mut self, token: Token) -> Result<S::Waker, Error> {
        self.selector.waker(token)
    }

    fn release_waker(&mut self, token: Token) -> Result<(), Error> {
        self.selector.release_waker(token)
    }
}

/// Calls again while a call would block: what another socket has sent may be under way.
#[cfg(test)]
fn soon<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..10_000 {
        match call() {
            Err(error) if error.is_would_block() => {
                std::thread::sleep(core::time::Duration::from_millis(1));
            }
            result => return result,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use selkie_core::platform::{Close, Transport};

    use super::*;
    use crate::selector::recorder;
    use crate::selectors::DefaultSelector;
    use crate::sys::testing::pair;

    const TOKEN: Token = Token::new(0, 1);

    fn platform() -> Platform<DefaultSelector<'static>> {
        Platform::new(DefaultSelector::new(4).unwrap(), 4).unwrap()
    }

    #[test]
    fn a_connection_is_adopted_with_the_address_that_accepting_told() {
        let mut platform = platform();
        let (near, far) = pair();
        let address = SocketAddr::from(([192, 0, 2, 1], 7));
        let socket = platform.adopt_from(near, Some(address)).unwrap();
        assert_eq!(platform.remote_address(socket), Some(address));
        let other = platform.adopt_from(far, None).unwrap();
        assert_eq!(platform.remote_address(other), platform.peer_address(other).ok());
    }

    #[test]
    fn closing_deregisters_what_was_forgotten() {
        let mut platform = platform();
        let (read, write) = pair();
        let socket = platform.adopt(read).unwrap();
        platform.register(socket, TOKEN, Interest::READABLE, Mode::Level).unwrap();
        let again = platform.register(socket, Token::new(1, 1), Interest::READABLE, Mode::Level);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyRegistered);
        platform.close(socket, Close::Graceful).unwrap();
        assert_eq!(platform.close(socket, Close::Graceful).unwrap_err().kind(), ErrorKind::Stale);
        let heir = platform.adopt(write).unwrap();
        platform.register(heir, TOKEN, Interest::WRITABLE, Mode::Level).unwrap();
    }

    #[test]
    fn what_does_not_fit_comes_back() {
        let mut platform = Platform::new(DefaultSelector::new(4).unwrap(), 1).unwrap();
        let (read, write) = pair();
        let socket = platform.adopt(read).unwrap();
        let (error, write) = platform.adopt(write).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        let read = platform.release(socket).unwrap();
        assert_eq!(platform.fd(socket).unwrap_err().kind(), ErrorKind::Stale);
        assert!(platform.adopt(write).is_ok());
        drop(read);
    }

    #[test]
    fn an_address_in_use_says_so() {
        let mut platform = platform();
        let listener = platform.listen(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let address = platform.local_address(listener).unwrap();
        assert_eq!(platform.listen(address, 16).unwrap_err().kind(), ErrorKind::AddressInUse);
        assert_eq!(platform.peer_address(listener).unwrap_err().kind(), ErrorKind::NotConnected);
    }

    #[test]
    fn every_item_of_the_traits_is_forwarded() {
        let mut platform = Platform::new(recorder::Recorder::default(), 7).unwrap();
        let source = platform.adopt(pair().0).unwrap();
        recorder::call_every_item(&mut platform, source);
        assert_eq!(platform.selector().calls(), recorder::EVERY_ITEM);
    }
}
