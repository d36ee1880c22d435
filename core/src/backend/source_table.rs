//! The registrations of a backend, by the index of their tokens.

use core::marker::PhantomData;

use crate::contract::{Error, ErrorKind, Interest, Mode, Token};
use crate::event_loop::Storage;

/// Decides if `token` can be registered, where `tenant` is the token that has its index now and
/// `capacity` is one more than the highest index.
///
/// This and [`check_tenant`] are the one decision that all backends share, also those that find
/// the tenant of an index in some other way than [`SourceTable`].
///
/// # Errors
///
/// [`ErrorKind::Full`] if the index is beyond the capacity, [`ErrorKind::AlreadyRegistered`] if
/// it is taken, [`ErrorKind::Stale`] if the token is older than its tenant,
/// [`ErrorKind::NotRegistered`] if no registry issues such tokens.
#[inline]
pub fn check_vacant(tenant: Option<Token>, token: Token, capacity: usize) -> Result<(), Error> {
    let kind = match tenant {
        _ if token.index() >= capacity => ErrorKind::Full,
        None if token.generation() == 0 => ErrorKind::NotRegistered,
        None => return Ok(()),
        Some(tenant) if tenant.generation() > token.generation() => ErrorKind::Stale,
        Some(_) => ErrorKind::AlreadyRegistered,
    };
    Err(Error::new(kind))
}

/// Decides if `token` is registered, where `tenant` is the token that has its index now.
///
/// # Errors
///
/// [`ErrorKind::NotRegistered`] if nothing is registered there, [`ErrorKind::Stale`] if it is
/// another token.
#[inline]
pub fn check_tenant(tenant: Option<Token>, token: Token) -> Result<(), Error> {
    match tenant {
        Some(tenant) if tenant == token => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Stale)),
        None => Err(Error::new(ErrorKind::NotRegistered)),
    }
}

/// The registration of a source. All bits zero means that nothing is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registration {
    /// The generation of the registered token; 0 means none.
    generation: u32,
    /// The interest that it was registered with.
    pub interest: Interest,
    /// The mode that it was registered with.
    pub mode: Mode,
    /// Set when a oneshot source was reported, until it is modified.
    is_reported: bool,
}

impl Registration {
    /// Nothing registered: all bits zero.
    pub const EMPTY: Self =
        Self { generation: 0, interest: Interest::NONE, mode: Mode::Level, is_reported: false };

    /// Returns the interest that the source is watched for now: nothing, once a oneshot source was
    /// reported.
    #[inline]
    #[must_use]
    pub const fn armed(&self) -> Interest {
        if self.is_reported { Interest::NONE } else { self.interest }
    }
}

/// One place in a [`SourceTable`]: a registration, and the backend's own `T`. All bits zero means
/// that nothing is registered there, if they mean an empty `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SourceEntry<T = ()> {
    registration: Registration,
    value: T,
}

impl<T> SourceEntry<T> {
    /// Makes an empty place with a placeholder for the backend's own.
    #[must_use]
    pub const fn vacant(value: T) -> Self {
        Self { registration: Registration::EMPTY, value }
    }
}

impl SourceEntry {
    /// An empty place of a backend that keeps nothing of its own: all bits zero.
    pub const EMPTY: Self = Self::vacant(());
}

/// The part of a backend that is the same on every platform: it decides on unknown tokens, stale
/// tokens, double registration and full tables, and keeps interest, mode and the backend's own `T`
/// by the index of the token.
///
/// A backend calls [`check_vacant`](Self::check_vacant) before its platform and
/// [`insert`](Self::insert) afterwards, so that a failure changes nothing; likewise
/// [`get`](Self::get), then [`update`](Self::update) or [`remove`](Self::remove).
///
/// It knows tokens only. A backend that owns its sources names them by handles of its own, which
/// exist before and after a registration; these are issued by a
/// [`HandleTable`](crate::backend::HandleTable).
///
/// Making a table is O(1) in any memory: an entry is emptied when an index beyond all earlier ones
/// is registered, so fresh pages stay untouched, and nothing of an earlier table is ever seen.
///
/// ```
/// use selkie_core::backend::{SourceEntry, SourceTable};
/// use selkie_core::{ErrorKind, Interest, Mode, Token};
///
/// // A backend that keeps a descriptor for each source.
/// let mut sources = SourceTable::new([SourceEntry::vacant(-1); 8]);
/// let token = Token::new(5, 1);
/// sources.check_vacant(token)?;
/// // At this point the backend calls its platform.
/// sources.insert(token, Interest::READABLE, Mode::Oneshot, 3);
///
/// let (found, registration, fd) = sources.at(5).expect("it is registered");
/// assert_eq!((found, registration.armed(), *fd), (token, Interest::READABLE, 3));
/// assert!(sources.mark_fired(5), "a oneshot source, which is silent from now on");
/// assert_eq!(sources.armed(), 0);
/// assert_eq!(sources.get(Token::new(5, 2)), Err(ErrorKind::Stale.into()));
/// # Ok::<(), selkie_core::Error>(())
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SourceTable<S, T = ()> {
    entries: S,
    /// One more than the highest index that was ever registered: entries from this one on are in an
    /// unknown state, and count as empty.
    used: usize,
    registered: usize,
    armed: usize,
    oneshot: usize,
    values: PhantomData<T>,
}

impl<T, S: Storage<SourceEntry<T>>> SourceTable<S, T> {
    /// Makes an empty table with one place for each of `entries`, in any state.
    #[must_use]
    pub const fn new(entries: S) -> Self {
        Self { entries, used: 0, registered: 0, armed: 0, oneshot: 0, values: PhantomData }
    }

    /// Returns the entries that may be registered.
    #[inline]
    fn used(&self) -> &[SourceEntry<T>] {
        let entries = self.entries.as_ref();
        entries.get(..self.used).unwrap_or(entries)
    }

    /// Returns the token that is registered at `index`.
    #[inline]
    #[must_use]
    pub fn tenant(&self, index: usize) -> Option<Token> {
        let generation = self.used().get(index)?.registration.generation;
        let index = u32::try_from(index).ok()?;
        (generation != 0).then_some(Token::new(index, generation))
    }

    /// Checks that `token` can be registered.
    ///
    /// # Errors
    ///
    /// As [`check_vacant`].
    pub fn check_vacant(&self, token: Token) -> Result<(), Error> {
        check_vacant(self.tenant(token.index()), token, self.capacity())
    }

    /// Records a token that [`check_vacant`](Self::check_vacant) allowed.
    ///
    /// # Panics
    ///
    /// If its index is beyond the capacity.
    pub fn insert(&mut self, token: Token, interest: Interest, mode: Mode, value: T) {
        debug_assert_eq!(self.check_vacant(token), Ok(()), "check for a vacancy first");
        let index = token.index();
        if index >= self.used {
            for entry in &mut self.entries.as_mut()[self.used..=index] {
                entry.registration = Registration::EMPTY;
            }
            self.used = index + 1;
        }
        self.registered += 1;
        let generation = token.generation();
        self.put(index, Registration { generation, interest, mode, is_reported: false });
        self.entries.as_mut()[index].value = value;
    }

    /// Returns the registration of `token`.
    ///
    /// # Errors
    ///
    /// As [`check_tenant`].
    #[inline]
    pub fn get(&self, token: Token) -> Result<Registration, Error> {
        check_tenant(self.tenant(token.index()), token)?;
        Ok(self.entries.as_ref()[token.index()].registration)
    }

    /// Returns the backend's own of `token`, to be changed.
    ///
    /// # Errors
    ///
    /// As [`check_tenant`].
    #[inline]
    pub fn value(&mut self, token: Token) -> Result<&mut T, Error> {
        check_tenant(self.tenant(token.index()), token)?;
        Ok(&mut self.entries.as_mut()[token.index()].value)
    }

    /// Records another interest and mode, and arms a oneshot source again. The token is one that
    /// [`get`](Self::get) found.
    pub fn update(&mut self, token: Token, interest: Interest, mode: Mode) {
        debug_assert!(self.get(token).is_ok(), "get the registration first");
        let generation = token.generation();
        self.put(token.index(), Registration { generation, interest, mode, is_reported: false });
    }

    /// Removes a token that [`get`](Self::get) found. Its value stays in its place, unseen.
    pub fn remove(&mut self, token: Token) {
        debug_assert!(self.get(token).is_ok(), "get the registration first");
        self.registered -= 1;
        self.put(token.index(), Registration::EMPTY);
    }

    /// Records that the source at `index` was reported, which silences it if it is oneshot. Returns
    /// true if it is.
    #[inline]
    pub fn mark_fired(&mut self, index: usize) -> bool {
        if self.oneshot == 0 {
            return false;
        }
        let Some(entry) = self.used().get(index) else { return false };
        let registration = entry.registration;
        if registration.mode != Mode::Oneshot || registration.generation == 0 {
            return false;
        }
        self.armed -= usize::from(!registration.armed().is_empty());
        self.entries.as_mut()[index].registration.is_reported = true;
        true
    }

    /// Replaces a registration and keeps the totals.
    fn put(&mut self, index: usize, new: Registration) {
        let registration = &mut self.entries.as_mut()[index].registration;
        let old = core::mem::replace(registration, new);
        self.armed -= usize::from(!old.armed().is_empty());
        self.armed += usize::from(!new.armed().is_empty());
        self.oneshot -= usize::from(old.mode == Mode::Oneshot);
        self.oneshot += usize::from(new.mode == Mode::Oneshot);
    }

    /// Returns the token that is registered at `index`, its registration, and the backend's own.
    #[inline]
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(Token, Registration, &T)> {
        let entry = self.used().get(index)?;
        let token = self.tenant(index)?;
        Some((token, entry.registration, &entry.value))
    }

    /// Returns the number of registered tokens.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.registered
    }

    /// Returns true if nothing is registered.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.registered == 0
    }

    /// Returns the number of sources that can still be reported: those with an interest, less the
    /// oneshot ones that were reported.
    #[inline]
    #[must_use]
    pub const fn armed(&self) -> usize {
        self.armed
    }

    /// Returns the number of registered sources that are oneshot. While there are none, a backend
    /// need not call [`mark_fired`](Self::mark_fired).
    #[inline]
    #[must_use]
    pub const fn oneshot(&self) -> usize {
        self.oneshot
    }

    /// Returns the number of tokens that can be registered at once.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.as_ref().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SourceTable<[SourceEntry; 2]> {
        SourceTable::new([SourceEntry::EMPTY; 2])
    }

    #[test]
    fn refuses_what_cannot_be_registered() {
        let mut table = table();
        assert_eq!(table.capacity(), 2);
        assert_eq!(table.check_vacant(Token::new(2, 1)), Err(ErrorKind::Full.into()));
        assert_eq!(table.check_vacant(Token::from_u64(0)), Err(ErrorKind::NotRegistered.into()));
        table.insert(Token::new(0, 3), Interest::READABLE, Mode::Level, ());
        assert_eq!(table.check_vacant(Token::new(0, 3)), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.check_vacant(Token::new(0, 5)), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.check_vacant(Token::new(0, 1)), Err(ErrorKind::Stale.into()));
    }

    #[test]
    fn tells_stale_from_unknown() {
        let mut table = table();
        table.insert(Token::new(0, 3), Interest::READABLE, Mode::Level, ());
        assert_eq!(table.get(Token::new(0, 1)), Err(ErrorKind::Stale.into()));
        assert_eq!(table.get(Token::new(1, 1)), Err(ErrorKind::NotRegistered.into()));
        assert_eq!(table.get(Token::new(9, 1)), Err(ErrorKind::NotRegistered.into()));
        assert_eq!(table.get(Token::from_u64(1)), Err(ErrorKind::NotRegistered.into()));
    }

    #[test]
    fn counts_what_can_still_be_reported() {
        let mut table = table();
        let (level, oneshot) = (Token::new(0, 1), Token::new(1, 1));
        table.insert(level, Interest::READABLE, Mode::Level, ());
        assert!(!table.mark_fired(0), "no oneshot source at all");
        table.insert(oneshot, Interest::READABLE, Mode::Oneshot, ());
        assert_eq!(table.armed(), 2);
        assert!(!table.mark_fired(0));
        assert!(table.mark_fired(1));
        assert!(table.mark_fired(1), "a repeated report changes nothing");
        assert_eq!(table.armed(), 1);
        assert_eq!(table.at(1).unwrap().1.armed(), Interest::NONE);
        table.update(oneshot, Interest::WRITABLE, Mode::Oneshot);
        assert_eq!(table.armed(), 2);
        table.update(level, Interest::NONE, Mode::Level);
        table.remove(oneshot);
        assert_eq!((table.armed(), table.len(), table.oneshot()), (0, 1, 0));
    }

    #[test]
    fn nothing_of_an_earlier_table_in_the_same_memory_is_seen() {
        let mut entries = [SourceEntry::vacant(0); 4];
        let mut first = SourceTable::new(&mut entries[..]);
        for index in 0..4 {
            first.insert(Token::new(index, 1), Interest::READABLE, Mode::Oneshot, index);
        }
        let mut second = SourceTable::new(&mut entries[..]);
        assert!((0..4).all(|index| second.at(index).is_none()));
        assert_eq!(second.get(Token::new(3, 1)), Err(ErrorKind::NotRegistered.into()));
        second.insert(Token::new(2, 1), Interest::READABLE, Mode::Level, 7);
        assert!(second.at(1).is_none() && second.at(3).is_none());
        assert_eq!(second.at(2).map(|(_, _, value)| *value), Some(7));
        assert_eq!((second.len(), second.armed(), second.oneshot()), (1, 1, 0));
    }
}
