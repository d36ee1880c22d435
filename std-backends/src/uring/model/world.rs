//! The clients on the other side of the model's connections, and what the platform's user knows.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use selkie_core::Token;
use selkie_core::platform::Close;

use crate::uring::UringSocket;

/// Returns a number that no other open descriptor of a socket has, or 0 if it is closed.
pub(super) fn identity(fd: RawFd) -> u64 {
    let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the call writes to the status, of which zeros are a value too.
    unsafe {
        let result = libc::fstat(fd, status.as_mut_ptr());
        if result == 0 { status.assume_init().st_ino } else { 0 }
    }
}

/// Returns the byte at a position of a stream.
#[expect(clippy::cast_possible_truncation, reason = "a byte is what is wanted")]
pub(super) fn byte(peer: usize, is_input: bool, position: u64) -> u8 {
    let word = position.wrapping_mul(0x9E37_79B9) ^ (peer as u64 * 2 + u64::from(is_input)) << 20;
    (word.wrapping_mul(0x85EB_CA6B) >> 24) as u8
}

/// A connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Peer {
    pub(super) fd: RawFd,
    pub(super) identity: u64,
    /// The other end, which keeps this one connected.
    _far: Option<OwnedFd>,
    /// Bytes that the client has sent, and those of them that were given to the platform.
    pub(super) sent: u64,
    pub(super) given: u64,
    pub(super) has_ended: bool,
    pub(super) is_reset: bool,
    /// Set while the client takes no bytes.
    pub(super) is_stalled: bool,
    /// Bytes that were sent to the client.
    pub(super) taken: u64,
    pub(super) is_shut: bool,
    /// Set when output may be lost: by a reset, an abort, a timeout.
    pub(super) has_failed: bool,
    pub(super) user: User,
}

/// The platform's user's part of a connection.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct User {
    pub(super) source: Option<UringSocket>,
    pub(super) token: Option<Token>,
    pub(super) consumed: u64,
    /// Bytes that it was shown and left.
    pub(super) left: u64,
    pub(super) written: u64,
    pub(super) has_shut: bool,
    /// Set when it is watched for everything, at the end of a run.
    pub(super) is_watched: bool,
    pub(super) saw_end: bool,
    pub(super) closed: Option<Close>,
}

impl Peer {
    fn of(fd: RawFd, far: Option<OwnedFd>) -> Self {
        Self {
            fd,
            identity: identity(fd),
            _far: far,
            sent: 0,
            given: 0,
            has_ended: false,
            is_reset: false,
            is_stalled: false,
            taken: 0,
            is_shut: false,
            has_failed: false,
            user: User::default(),
        }
    }

    /// Returns true while its descriptor is open.
    pub(super) fn is_open(&self) -> bool {
        identity(self.fd) == self.identity
    }

    /// Returns true if the user has it, and has not closed it.
    pub(super) fn is_used(&self) -> bool {
        self.user.source.is_some() && self.user.closed.is_none()
    }
}

/// A listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) source: UringSocket,
    pub(super) identity: u64,
    /// Clients in the backlog.
    pub(super) waiting: usize,
}

/// Everything outside of the platform.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) peers: Vec<Peer>,
    pub(super) listeners: Vec<Listener>,
}

impl World {
    /// Adds a connection of which the platform gets the descriptor.
    pub(super) fn add(&mut self) -> OwnedFd {
        let (near, far) = UnixStream::pair().expect("descriptors for a connection");
        near.set_nonblocking(true).expect("a socket takes the option");
        let near = OwnedFd::from(near);
        self.peers.push(Peer::of(near.as_raw_fd(), Some(far.into())));
        near
    }

    /// Adds a connection that the platform has made.
    pub(super) fn add_outgoing(&mut self, fd: RawFd) {
        self.peers.push(Peer::of(fd, None));
    }

    /// Returns the connection of an open descriptor.
    pub(super) fn find(&self, fd: RawFd) -> Option<usize> {
        let identity = identity(fd);
        self.peers.iter().rposition(|peer| peer.fd == fd && peer.identity == identity)
    }

    /// Returns the listener of an open descriptor.
    pub(super) fn listener(&mut self, fd: RawFd) -> Option<&mut Listener> {
        let identity = identity(fd);
        self.listeners.iter_mut().find(|listener| listener.identity == identity)
    }

    /// Returns the connection that a token was registered for.
    pub(super) fn with_token(&self, token: Token) -> Option<usize> {
        self.peers.iter().position(|peer| peer.user.token == Some(token))
    }

    /// Returns the first token index at or above `first` that no connection has.
    pub(super) fn free_index(&self, first: usize) -> usize {
        let is_used = |index| {
            self.peers.iter().any(|peer| peer.user.token.is_some_and(|used| used.index() == index))
        };
        (first..first + 1024).find(|&index| !is_used(index)).unwrap_or(first)
    }
}
