//! The side table that every backend needs: which token is registered at each index, and for what.

use crate::contract::{Error, ErrorKind, Interest, Mode, Token};
use crate::event_loop::Storage;

/// What a backend knows of one index. All bits zero means that nothing is registered there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registration {
    /// The generation of the registered token; 0 means none.
    generation: u32,
    /// What the source is watched for.
    pub interest: Interest,
    /// How often it is reported.
    pub mode: Mode,
    /// Set when a oneshot source was reported, until it is modified.
    fired: bool,
}

impl Registration {
    /// Nothing registered: all bits zero.
    pub const EMPTY: Self =
        Self { generation: 0, interest: Interest::NONE, mode: Mode::Level, fired: false };

    /// What the source is watched for right now: nothing, once a oneshot source was reported.
    #[inline]
    #[must_use]
    pub const fn armed(&self) -> Interest {
        if self.fired { Interest::NONE } else { self.interest }
    }
}

/// The part of a backend that is the same on every platform: it answers for unknown tokens, stale
/// tokens, double registration and full tables, and remembers interest and mode.
///
/// A backend asks [`vacancy`](Self::vacancy) before it calls its platform and
/// [`insert`](Self::insert)s afterwards, so that a failure changes nothing; likewise
/// [`get`](Self::get), then [`update`](Self::update) or [`remove`](Self::remove).
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registrations<S> {
    entries: S,
    registered: usize,
    armed: usize,
    oneshot: usize,
}

impl<S: Storage<Registration>> Registrations<S> {
    /// An empty table with one place for each of `entries`, which are emptied.
    #[must_use]
    pub fn new(mut entries: S) -> Self {
        for entry in entries.as_mut() {
            if entry.generation != 0 {
                *entry = Registration::EMPTY;
            }
        }
        Self { entries, registered: 0, armed: 0, oneshot: 0 }
    }

    /// Whether `token` could be registered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if its index is beyond the capacity, [`ErrorKind::AlreadyRegistered`] if
    /// the index is taken, [`ErrorKind::Stale`] if the token is older than the one that has its
    /// index now, [`ErrorKind::NotRegistered`] if no registry issues such tokens.
    pub fn vacancy(&self, token: Token) -> Result<(), Error> {
        let entry = self.entries.as_ref().get(token.index()).ok_or(ErrorKind::Full)?;
        Err(Error::new(match entry.generation {
            0 if token.generation() == 0 => ErrorKind::NotRegistered,
            0 => return Ok(()),
            generation if generation > token.generation() => ErrorKind::Stale,
            _ => ErrorKind::AlreadyRegistered,
        }))
    }

    /// Records a token that [`vacancy`](Self::vacancy) allowed.
    pub fn insert(&mut self, token: Token, interest: Interest, mode: Mode) {
        debug_assert_eq!(self.vacancy(token), Ok(()), "ask for a vacancy first");
        self.registered += 1;
        self.put(
            token,
            Registration { generation: token.generation(), interest, mode, fired: false },
        );
    }

    /// What is registered under `token`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotRegistered`] if nothing is, [`ErrorKind::Stale`] if its index has another
    /// tenant.
    #[inline]
    pub fn get(&self, token: Token) -> Result<Registration, Error> {
        match self.entries.as_ref().get(token.index()) {
            Some(entry) if entry.generation == token.generation() && entry.generation != 0 => {
                Ok(*entry)
            }
            Some(entry) if entry.generation != 0 => Err(Error::new(ErrorKind::Stale)),
            _ => Err(Error::new(ErrorKind::NotRegistered)),
        }
    }

    /// Records another interest and mode, and arms a oneshot source again. The token is one that
    /// [`get`](Self::get) found.
    pub fn update(&mut self, token: Token, interest: Interest, mode: Mode) {
        debug_assert!(self.get(token).is_ok(), "get the registration first");
        self.put(
            token,
            Registration { generation: token.generation(), interest, mode, fired: false },
        );
    }

    /// Forgets a token that [`get`](Self::get) found.
    pub fn remove(&mut self, token: Token) {
        debug_assert!(self.get(token).is_ok(), "get the registration first");
        self.registered -= 1;
        self.put(token, Registration::EMPTY);
    }

    /// Records that the source at `index` was reported, which silences it if it is oneshot. Says
    /// whether it is.
    #[inline]
    pub fn fired(&mut self, index: usize) -> bool {
        if self.oneshot == 0 {
            return false;
        }
        let Some(&entry) = self.entries.as_ref().get(index) else { return false };
        if entry.mode != Mode::Oneshot || entry.generation == 0 {
            return false;
        }
        self.armed -= usize::from(!entry.armed().is_empty());
        self.entries.as_mut()[index].fired = true;
        true
    }

    /// Replaces an entry and keeps the totals.
    fn put(&mut self, token: Token, new: Registration) {
        let entry = &mut self.entries.as_mut()[token.index()];
        let old = core::mem::replace(entry, new);
        self.armed -= usize::from(!old.armed().is_empty());
        self.armed += usize::from(!new.armed().is_empty());
        self.oneshot -= usize::from(old.mode == Mode::Oneshot);
        self.oneshot += usize::from(new.mode == Mode::Oneshot);
    }

    /// The token that is registered at `index`, and what for.
    #[inline]
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(Token, Registration)> {
        let entry = self.entries.as_ref().get(index)?;
        let index = u32::try_from(index).ok()?;
        (entry.generation != 0).then_some((Token::new(index, entry.generation), *entry))
    }

    /// How many tokens are registered.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.registered
    }

    /// Whether nothing is registered.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.registered == 0
    }

    /// How many sources can still be reported: those with an interest, less the oneshot ones that
    /// were reported.
    #[inline]
    #[must_use]
    pub const fn armed(&self) -> usize {
        self.armed
    }

    /// How many of the registered sources are oneshot. While there are none, a backend need not
    /// call [`fired`](Self::fired).
    #[inline]
    #[must_use]
    pub const fn oneshot(&self) -> usize {
        self.oneshot
    }

    /// How many tokens can be registered at once.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.as_ref().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Registrations<[Registration; 2]> {
        Registrations::new([Registration::EMPTY; 2])
    }

    #[test]
    fn refuses_what_cannot_be_registered() {
        let mut table = table();
        assert_eq!(table.capacity(), 2);
        assert_eq!(table.vacancy(Token::new(2, 1)), Err(ErrorKind::Full.into()));
        assert_eq!(table.vacancy(Token::from_u64(0)), Err(ErrorKind::NotRegistered.into()));
        table.insert(Token::new(0, 3), Interest::READABLE, Mode::Level);
        assert_eq!(table.vacancy(Token::new(0, 3)), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.vacancy(Token::new(0, 5)), Err(ErrorKind::AlreadyRegistered.into()));
        assert_eq!(table.vacancy(Token::new(0, 1)), Err(ErrorKind::Stale.into()));
    }

    #[test]
    fn tells_stale_from_unknown() {
        let mut table = table();
        table.insert(Token::new(0, 3), Interest::READABLE, Mode::Level);
        assert_eq!(table.get(Token::new(0, 1)), Err(ErrorKind::Stale.into()));
        assert_eq!(table.get(Token::new(1, 1)), Err(ErrorKind::NotRegistered.into()));
        assert_eq!(table.get(Token::new(9, 1)), Err(ErrorKind::NotRegistered.into()));
        assert_eq!(table.get(Token::from_u64(1)), Err(ErrorKind::NotRegistered.into()));
    }

    #[test]
    fn counts_what_can_still_be_reported() {
        let mut table = table();
        let (level, oneshot) = (Token::new(0, 1), Token::new(1, 1));
        table.insert(level, Interest::READABLE, Mode::Level);
        assert!(!table.fired(0), "no oneshot source at all");
        table.insert(oneshot, Interest::READABLE, Mode::Oneshot);
        assert_eq!(table.armed(), 2);
        assert!(!table.fired(0));
        assert!(table.fired(1));
        assert!(table.fired(1), "a repeated report changes nothing");
        assert_eq!(table.armed(), 1);
        assert_eq!(table.at(1).unwrap().1.armed(), Interest::NONE);
        table.update(oneshot, Interest::WRITABLE, Mode::Oneshot);
        assert_eq!(table.armed(), 2);
        table.update(level, Interest::NONE, Mode::Level);
        table.remove(oneshot);
        assert_eq!((table.armed(), table.len(), table.oneshot()), (0, 1, 0));
    }
}
