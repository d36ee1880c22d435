//! The table of a selector: what is registered, by token and by source, and the waker.

use selkie_core::backend::{self, Registration, SourceEntry};
use selkie_core::{Error, ErrorKind, Interest, Mode, Token};

use crate::memory::{Zeroable, try_zeroed_slice};
use crate::sys::source::RawSource;
use crate::sys::source_index::SourceIndex;
use crate::waker::WakeSource;

/// The tokens and sources that a selector watches, each with a `T` of the selector's own, and
/// its waker. A selector checks this table before it calls the system and records the change
/// afterwards, so that a failure changes nothing.
#[derive(Debug)]
pub(super) struct SourceTable<T = ()> {
    /// Registrations, by the index of the token.
    registrations: backend::SourceTable<Box<[SourceEntry<T>]>, T>,
    /// Indices of tokens, by the source.
    index: SourceIndex,
    /// The waker, which is registered like a source, under a source that no caller can name.
    waker: Option<WakeSource>,
}

impl<T: Zeroable> SourceTable<T> {
    /// Makes an empty table for tokens with an index below `capacity`.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        if u32::try_from(capacity).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        let registrations = backend::SourceTable::new(try_zeroed_slice(capacity)?);
        Ok(Self { registrations, index: SourceIndex::new(capacity)?, waker: None })
    }

    /// Returns the bytes of a table for `capacity` tokens, where a process may open `hard_limit`
    /// descriptors.
    pub(super) fn memory(capacity: usize, hard_limit: u64) -> usize {
        capacity * size_of::<SourceEntry<T>>() + SourceIndex::memory(capacity, hard_limit)
    }

    /// Checks that `source` can be registered under `token`.
    pub(super) fn check_vacant(&self, source: RawSource, token: Token) -> Result<(), Error> {
        self.registrations.check_vacant(token)?;
        self.index.check_vacant(source)
    }

    /// Records what [`check_vacant`](Self::check_vacant) allowed.
    pub(super) fn insert(
        &mut self,
        source: RawSource,
        token: Token,
        interest: Interest,
        mode: Mode,
        value: T,
    ) {
        self.registrations.insert(token, interest, mode, value);
        self.index.insert(source, token);
    }

    /// Returns the registration of `token`, which must be for `source`.
    pub(super) fn get(&self, source: RawSource, token: Token) -> Result<Registration, Error> {
        let registration = self.registrations.get(token)?;
        self.index.check(source, token)?;
        Ok(registration)
    }

    /// Returns the selector's own value of a registered token, to be changed.
    #[inline]
    pub(super) fn value(&mut self, token: Token) -> Result<&mut T, Error> {
        self.registrations.value(token)
    }

    /// Records another interest and mode for a token that [`get`](Self::get) found.
    pub(super) fn update(&mut self, token: Token, interest: Interest, mode: Mode) {
        self.registrations.update(token, interest, mode);
    }

    /// Removes what [`get`](Self::get) found.
    pub(super) fn remove(&mut self, source: RawSource, token: Token) {
        self.registrations.remove(token);
        self.index.remove(source);
    }

    /// Returns the token that `source` is registered under, with the registration and the
    /// selector's own value.
    #[inline]
    pub(super) fn find(&self, source: RawSource) -> Option<(Token, Registration, &T)> {
        self.registrations.at(self.index.index(source)?)
    }

    /// Returns the token at an index, with the registration and the selector's own value.
    #[cfg(has_afd)]
    pub(super) fn at(&self, index: usize) -> Option<(Token, Registration, &T)> {
        self.registrations.at(index)
    }

    /// Returns the token that `source` is registered under.
    pub(super) fn token_of(&self, source: RawSource) -> Option<Token> {
        self.find(source).map(|(token, ..)| token)
    }

    /// Records that the source at `index` was reported. Returns true if that silences it.
    #[inline]
    pub(super) fn mark_fired(&mut self, index: usize) -> bool {
        self.registrations.mark_fired(index)
    }

    /// Checks that a waker can be made for `token`. A selector has at most one.
    pub(super) fn check_waker_vacant(&self, token: Token) -> Result<(), Error> {
        if self.waker.is_some() {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        self.registrations.check_vacant(token)
    }

    /// Records a waker. It counts as an armed source: a wait that only a wake can end is allowed.
    pub(super) fn insert_waker(&mut self, waker: WakeSource, value: T) {
        self.insert(waker.source(), waker.token(), Interest::READABLE, Mode::Level, value);
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
        self.remove(waker.source(), token);
        Ok(waker)
    }

    /// Returns the token of the waker.
    #[cfg(has_afd)]
    pub(super) fn waker_token(&self) -> Option<Token> {
        self.waker.as_ref().map(WakeSource::token)
    }

    /// Drains the waker, if `token` is the waker's. For selectors that watch it as a level.
    pub(super) fn drain_waker(&self, token: Token) {
        if let Some(waker) = self.waker.as_ref().filter(|waker| waker.token() == token) {
            waker.drain();
        }
    }

    /// Returns the number of registered sources, the waker included.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.registrations.len()
    }

    /// Returns the number of sources that can still be reported.
    #[inline]
    pub(super) const fn armed(&self) -> usize {
        self.registrations.armed()
    }

    /// Returns the number of registered sources that are oneshot.
    #[cfg(has_epoll)]
    #[inline]
    pub(super) const fn oneshot(&self) -> usize {
        self.registrations.oneshot()
    }

    /// Returns the number of tokens that can be registered at once.
    pub(super) fn capacity(&self) -> usize {
        self.registrations.capacity()
    }

    /// Returns the number of descriptors that the table has entries for.
    #[cfg(unix)]
    pub(super) fn descriptors(&self) -> usize {
        self.index.len()
    }
}
