//! The table of a selector: tokens, descriptors and the waker.

use std::os::fd::RawFd;

use selkie_core::backend::{self, Registration, SourceEntry};
use selkie_core::{Error, ErrorKind, Interest, Mode, Token};

use super::fd_table::FdTable;
use crate::storage::try_zeroed_slice;
use crate::waker::WakeSource;

/// The tokens and descriptors that a selector watches, and its waker. A backend checks this table
/// before it calls the system and records the change afterwards, so that a failure changes nothing.
#[derive(Debug)]
pub(super) struct SourceTable {
    /// Registrations, by the index of the token.
    pub(super) registrations: backend::SourceTable<Box<[SourceEntry]>>,
    /// Indices of tokens, by the descriptor.
    pub(super) fds: FdTable,
    /// The waker, which is registered like a source, under a descriptor that no caller can name.
    waker: Option<WakeSource>,
}

impl SourceTable {
    /// Makes an empty table for tokens with an index below `capacity`.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        if u32::try_from(capacity).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        let registrations = backend::SourceTable::new(try_zeroed_slice(capacity)?);
        Ok(Self { registrations, fds: FdTable::new()?, waker: None })
    }

    /// Checks that `fd` can be registered under `token`.
    pub(super) fn check_vacant(&self, fd: RawFd, token: Token) -> Result<(), Error> {
        self.registrations.check_vacant(token)?;
        self.fds.check_vacant(fd)
    }

    /// Records what [`check_vacant`](Self::check_vacant) allowed.
    pub(super) fn insert(&mut self, fd: RawFd, token: Token, interest: Interest, mode: Mode) {
        self.registrations.insert(token, interest, mode, ());
        self.fds.insert(fd, token);
    }

    /// Returns the registration of `token`, which must be for `fd`.
    pub(super) fn get(&self, fd: RawFd, token: Token) -> Result<Registration, Error> {
        let registration = self.registrations.get(token)?;
        self.fds.check(fd, token)?;
        Ok(registration)
    }

    /// Records another interest and mode for a token that [`get`](Self::get) found.
    pub(super) fn update(&mut self, token: Token, interest: Interest, mode: Mode) {
        self.registrations.update(token, interest, mode);
    }

    /// Removes what [`get`](Self::get) found.
    pub(super) fn remove(&mut self, fd: RawFd, token: Token) {
        self.registrations.remove(token);
        self.fds.remove(fd);
    }

    /// Checks that a waker can be made for `token`. A selector has at most one.
    pub(super) fn check_waker_vacant(&self, token: Token) -> Result<(), Error> {
        if self.waker.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        self.registrations.check_vacant(token)
    }

    /// Records a waker. It counts as an armed source: a wait that only a wake can end is allowed.
    pub(super) fn insert_waker(&mut self, waker: WakeSource) {
        self.insert(waker.fd(), waker.token(), Interest::READABLE, Mode::Level);
        self.waker = Some(waker);
    }

    /// Removes the waker of `token`, and returns it.
    pub(super) fn remove_waker(&mut self, token: Token) -> Result<WakeSource, Error> {
        let index = self.waker.as_ref().map(|waker| waker.token().index());
        if index != Some(token.index()) {
            return Err(Error::new(ErrorKind::NotRegistered));
        }
        self.registrations.get(token)?;
        let waker = self.waker.take().ok_or(Error::new(ErrorKind::NotRegistered))?;
        self.remove(waker.fd(), token);
        Ok(waker)
    }

    /// Drains the waker, if `token` is the waker's. For selectors that watch it as a level.
    pub(super) fn drain_waker(&self, token: Token) {
        if let Some(waker) = self.waker.as_ref().filter(|waker| waker.token() == token) {
            waker.drain();
        }
    }
}
