//! The registry of live tokens: a slot map of fixed capacity with generations.

use crate::contract::{Error, ErrorKind, Token};
use crate::event_loop::Storage;

/// One place in a [`Registry`]. All bits zero means vacant and never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct Slot {
    /// While live: the slot's own index, so that the slot is bit for bit the token that was
    /// issued, and equals no other. While vacant: the complement of the index of the next vacant
    /// slot; or 0 if that is the one behind it, so that fresh memory is a free list already.
    link: u32,
    /// The number of times that the slot was issued.
    generation: u32,
}

impl Slot {
    /// A vacant slot: all bits zero.
    pub const EMPTY: Self = Self { link: 0, generation: 0 };

    /// The last generation. Once that is taken back, the slot is never issued again.
    const LAST: u32 = u32::MAX;

    /// Returns true if a registry may issue this index. Indices stop below 2^31 - 1, so that a
    /// complemented index (a free-list link) is never a valid one.
    #[inline]
    const fn may_issue(index: u32) -> bool {
        index < i32::MAX.cast_unsigned()
    }
}

/// The bookkeeping of a registry beside its slots.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct RegistryState {
    /// The next slot to issue: the one that was vacated last, or else the first that this registry
    /// never issued. There is none if there is no such slot.
    vacant: u32,
    live: u32,
    live_max: u32,
    retired: u32,
}

impl RegistryState {
    /// Vacates all slots.
    pub(super) fn new(slots: &mut [Slot]) -> Self {
        let mut retired = 0;
        for slot in slots.iter_mut() {
            // Pages of fresh memory are only read, so that they cost nothing.
            if *slot != Slot::EMPTY {
                slot.link = 0;
                retired += u32::from(slot.generation == Slot::LAST);
            }
        }
        if let Some(first) = slots.first_mut() {
            // It alone would look like a token while all its bits are zero.
            first.link = !1;
        }
        Self { vacant: 0, live: 0, live_max: 0, retired }
    }

    pub(super) const fn live(&self) -> usize {
        self.live as usize
    }

    #[inline]
    pub(super) fn insert(&mut self, slots: &mut [Slot]) -> Result<Token, Error> {
        loop {
            let index = self.vacant;
            let slot = match slots.get_mut(index as usize) {
                Some(slot) if Slot::may_issue(index) => slot,
                _ => return Err(Error::new(ErrorKind::Full)),
            };
            self.vacant = slot.next_vacant(index);
            // A slot that an earlier registry retired is passed over.
            if slot.generation != Slot::LAST {
                slot.link = index;
                slot.generation += 1;
                self.live += 1;
                self.live_max = self.live_max.max(self.live);
                return Ok(Token::new(index, slot.generation));
            }
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, slots: &mut [Slot], token: Token) -> Result<(), Error> {
        if !contains(slots, token) {
            return Err(Error::new(ErrorKind::Stale));
        }
        let slot = &mut slots[token.index()];
        slot.link = !self.vacant;
        // A slot without generations left is retired: it stays out of the free list.
        if slot.generation == Slot::LAST {
            self.retired += 1;
        } else {
            self.vacant = token.slot();
        }
        self.live -= 1;
        Ok(())
    }
}

/// Returns true if the token is live.
#[inline]
pub(super) fn contains(slots: &[Slot], token: Token) -> bool {
    slots.get(token.index()).is_some_and(|slot| slot.tenant() == token)
}

/// Returns the live token of a slot.
#[inline]
pub(super) fn token_at(slots: &[Slot], index: usize) -> Option<Token> {
    let token = slots.get(index)?.tenant();
    (token.index() == index).then_some(token)
}

/// Issues tokens, takes them back, and knows which are live.
///
/// Issuing, taking back and asking are O(1) and never allocate. A slot that has used up its 2^32 -
/// 1 generations is retired: were it issued again, a token of long ago would be live again.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registry<S> {
    slots: S,
    state: RegistryState,
}

impl<S: Storage<Slot>> Registry<S> {
    /// Makes an empty registry with one place for each of `slots`, of which it uses at most 2^31 -
    /// 1.
    ///
    /// Slots that another registry used before are taken over with their generations, so that its
    /// tokens stay dead.
    #[must_use]
    pub fn new(mut slots: S) -> Self {
        let state = RegistryState::new(slots.as_mut());
        Self { slots, state }
    }

    /// Issues a token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] when every slot is live or retired.
    #[inline]
    pub fn insert(&mut self) -> Result<Token, Error> {
        self.state.insert(self.slots.as_mut())
    }

    /// Takes a token back: from now on it is not live, and never will be again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] when it is not live; nothing is changed.
    #[inline]
    pub fn remove(&mut self, token: Token) -> Result<(), Error> {
        self.state.remove(self.slots.as_mut(), token)
    }
}

impl<S: AsRef<[Slot]>> Registry<S> {
    /// Returns the registry of these slots, to look at.
    #[inline]
    pub(super) const fn view(slots: S, state: RegistryState) -> Self {
        Self { slots, state }
    }

    /// Returns true if the token is live.
    #[inline]
    #[must_use]
    pub fn contains(&self, token: Token) -> bool {
        contains(self.slots.as_ref(), token)
    }

    /// Returns the live token of a slot.
    #[inline]
    #[must_use]
    pub fn token_at(&self, index: usize) -> Option<Token> {
        token_at(self.slots.as_ref(), index)
    }

    /// Returns the live tokens, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = Token> + '_ {
        (0..self.capacity()).filter_map(|index| self.token_at(index))
    }

    /// Returns the number of live tokens.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.state.live()
    }

    /// Returns true if no token is live.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.state.live == 0
    }

    /// Returns the most tokens that were ever live at once.
    #[must_use]
    pub const fn len_max(&self) -> usize {
        self.state.live_max as usize
    }

    /// Returns the number of slots that have used up their generations.
    #[must_use]
    pub const fn retired(&self) -> usize {
        self.state.retired as usize
    }

    /// Returns the number of tokens that can still be issued before one is taken back.
    #[inline]
    #[must_use]
    pub fn vacant(&self) -> usize {
        self.capacity() - self.len() - self.retired()
    }

    /// Returns the number of tokens that can be live at once, retired slots included.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len()
    }
}

impl Slot {
    /// Makes a vacant slot that can issue this many more tokens. To use up all generations would
    /// take a fuzzer hours.
    #[cfg(fuzzing)]
    #[doc(hidden)]
    #[must_use]
    pub const fn aged(left: u32) -> Self {
        Self { link: 0, generation: Self::LAST - left }
    }

    /// Returns the token that the slot is for; while it is vacant, one that was never issued for
    /// this slot.
    #[inline]
    const fn tenant(self) -> Token {
        Token::new(self.link, self.generation)
    }

    /// Returns the index of the slot that is vacant after this one, which has this index.
    #[inline]
    const fn next_vacant(self, index: u32) -> u32 {
        if self.link == 0 { index + 1 } else { !self.link }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_taken_back_is_never_live_again() {
        let mut registry = Registry::new([Slot::EMPTY; 1]);
        let first = registry.insert().unwrap();
        registry.remove(first).unwrap();
        let second = registry.insert().unwrap();
        assert_eq!(first.index(), second.index());
        assert!(!registry.contains(first));
        assert!(registry.contains(second));
        assert_eq!(registry.remove(first), Err(ErrorKind::Stale.into()));
        assert!(registry.contains(second), "a stale token takes nothing back");
    }

    #[test]
    fn full_is_a_value() {
        let mut registry = Registry::new([Slot::EMPTY; 2]);
        assert!(registry.is_empty());
        let first = registry.insert().unwrap();
        assert!(!registry.is_empty());
        registry.insert().unwrap();
        assert_eq!(registry.insert(), Err(ErrorKind::Full.into()));
        registry.remove(first).unwrap();
        assert!(registry.insert().is_ok());
        assert_eq!(registry.len_max(), 2);
    }

    #[test]
    fn tokens_that_were_never_issued_are_not_live() {
        let mut registry = Registry::new([Slot::EMPTY; 2]);
        assert!(!registry.contains(Token::from_u64(0)), "the empty token");
        assert!(!registry.contains(Token::new(7, 1)), "beyond the capacity");
        let token = registry.insert().unwrap();
        registry.remove(token).unwrap();
        assert!(!registry.contains(Token::new(0, 2)), "the generation of a vacant slot");
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slots = [Slot { generation: Slot::LAST - 1, ..Slot::EMPTY }, Slot::EMPTY];
        let mut registry = Registry::new(&mut slots[..1]);
        let last = registry.insert().unwrap();
        registry.remove(last).unwrap();
        assert_eq!(registry.insert(), Err(ErrorKind::Full.into()));
        assert_eq!((registry.retired(), registry.vacant()), (1, 0));
        assert_eq!(registry.token_at(0), None);

        let mut heir = Registry::new(&mut slots[..]);
        assert_eq!(heir.insert().unwrap(), Token::new(1, 1), "the heir skips the retired slot");
        assert_eq!((heir.retired(), heir.vacant()), (1, 0));
    }

    #[test]
    fn an_heir_keeps_the_tokens_of_its_predecessor_dead() {
        let mut slots = [Slot::EMPTY; 2];
        let old = Registry::new(&mut slots[..]).insert().unwrap();
        let mut heir = Registry::new(&mut slots[..]);
        assert!(!heir.contains(old));
        assert_ne!(heir.insert().unwrap(), old);
    }
}
