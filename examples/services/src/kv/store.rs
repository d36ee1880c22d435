//! The table of keys and values: fixed memory, a bounded search, expiry when a key is looked at.

use selkie_core::Instant;

/// Slots that a key may be in. The bound keeps a hostile choice of keys from making searches long.
const WINDOW: usize = 32;

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry<const KEY: usize, const VALUE: usize> {
    /// The time at which the entry expires; zero for never.
    expires: Instant,
    key_len: u16,
    value_len: u16,
    key: [u8; KEY],
    value: [u8; VALUE],
}

impl<const KEY: usize, const VALUE: usize> Entry<KEY, VALUE> {
    /// An unused entry: all bits zero.
    pub const EMPTY: Self =
        Self { expires: Instant::ZERO, key_len: 0, value_len: 0, key: [0; KEY], value: [0; VALUE] };

    fn key(&self) -> &[u8] {
        &self.key[..usize::from(self.key_len)]
    }

    fn value(&self) -> &[u8] {
        &self.value[..usize::from(self.value_len)]
    }
}

impl<const KEY: usize, const VALUE: usize> Default for Entry<KEY, VALUE> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The reason why a value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// Every slot that the key may be in is taken.
    Full,
    /// The key is longer than a slot's.
    KeyTooLong,
    /// The value is longer than a slot's.
    ValueTooLong,
}

/// Keys and values in memory of the caller's.
///
/// A key is in one of 32 consecutive slots, of which its hash names the first. A search never
/// looks further, and removing a key leaves no mark.
#[derive(Debug)]
pub struct Store<'a, const KEY: usize, const VALUE: usize> {
    /// The hash of each slot's key; 0 for an unused slot.
    hashes: &'a mut [u32],
    entries: &'a mut [Entry<KEY, VALUE>],
    seed: u64,
    len: usize,
    /// Values that found no slot.
    refused: u64,
}

impl<'a, const KEY: usize, const VALUE: usize> Store<'a, KEY, VALUE> {
    /// Makes an empty store. A `seed` that clients cannot guess keeps them from choosing keys that
    /// share their slots.
    ///
    /// # Panics
    ///
    /// If the two tables differ in length or are empty, or if keys or values are longer than 65,535
    /// bytes.
    #[must_use]
    pub fn new(hashes: &'a mut [u32], entries: &'a mut [Entry<KEY, VALUE>], seed: u64) -> Self {
        assert_eq!(hashes.len(), entries.len(), "a store has one hash for each entry");
        assert!(!hashes.is_empty(), "a store needs at least one entry");
        assert!(KEY <= 65_535 && VALUE <= 65_535, "keys and values have at most 65,535 bytes");
        hashes.fill(0);
        Self { hashes, entries, seed, len: 0, refused: 0 }
    }

    /// Returns the number of keys, those included that have expired and were not looked at since.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of values that were refused as no slot was free, since the start.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns the number of slots.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.hashes.len()
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&mut self, key: &[u8], now: impl FnOnce() -> Instant) -> Option<&[u8]> {
        let slot = self.find(key, now)?;
        Some(self.entries[slot].value())
    }

    /// Returns when `key` expires: zero for never, `None` if there is no such key.
    #[must_use]
    pub fn expiry(&mut self, key: &[u8], now: impl FnOnce() -> Instant) -> Option<Instant> {
        let slot = self.find(key, now)?;
        Some(self.entries[slot].expires)
    }

    /// Makes `key` expire at `expires`; zero for never. Returns whether there is such a key.
    pub fn set_expiry(&mut self, key: &[u8], expires: Instant, now: Instant) -> bool {
        let Some(slot) = self.find(key, || now) else { return false };
        self.entries[slot].expires = expires;
        true
    }

    /// Stores `value` under `key` until `expires` (zero forever), in place of what was there.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is changed then.
    pub fn set(
        &mut self,
        key: &[u8],
        value: &[u8],
        expires: Instant,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), StoreError> {
        let key_len = u16::try_from(key.len()).map_err(|_| StoreError::KeyTooLong)?;
        let value_len = u16::try_from(value.len()).map_err(|_| StoreError::ValueTooLong)?;
        if key.len() > KEY {
            return Err(StoreError::KeyTooLong);
        }
        if value.len() > VALUE {
            return Err(StoreError::ValueTooLong);
        }
        let Some(slot) = self.position(key).or_else(|| self.vacate(key, now)) else {
            self.refused += 1;
            return Err(StoreError::Full);
        };
        let entry = &mut self.entries[slot];
        entry.expires = expires;
        entry.value_len = value_len;
        entry.value[..value.len()].copy_from_slice(value);
        entry.key_len = key_len;
        entry.key[..key.len()].copy_from_slice(key);
        Ok(())
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8], now: impl FnOnce() -> Instant) -> bool {
        let Some(slot) = self.find(key, now) else { return false };
        self.free(slot);
        true
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        self.hashes.fill(0);
        self.len = 0;
    }

    /// Returns the slot of a key that has not expired. Reads the clock only for one that may have.
    fn find(&mut self, key: &[u8], now: impl FnOnce() -> Instant) -> Option<usize> {
        let slot = self.position(key)?;
        let expires = self.entries[slot].expires;
        if expires != Instant::ZERO && expires <= now() {
            self.free(slot);
            return None;
        }
        Some(slot)
    }

    /// Returns the slot of a key, whether or not it has expired.
    fn position(&self, key: &[u8]) -> Option<usize> {
        let hash = self.hash(key);
        self.window(hash).find(|&slot| self.hashes[slot] == hash && self.entries[slot].key() == key)
    }

    /// Takes a slot for a new key: one that is unused, or whose key has expired.
    fn vacate(&mut self, key: &[u8], now: impl FnOnce() -> Instant) -> Option<usize> {
        let hash = self.hash(key);
        let slot = if let Some(slot) = self.window(hash).find(|&slot| self.hashes[slot] == 0) {
            slot
        } else {
            let now = now();
            let expired = |&slot: &usize| {
                let expires = self.entries[slot].expires;
                expires != Instant::ZERO && expires <= now
            };
            let slot = self.window(hash).find(expired)?;
            self.free(slot);
            slot
        };
        self.hashes[slot] = hash;
        self.len += 1;
        Some(slot)
    }

    fn free(&mut self, slot: usize) {
        self.hashes[slot] = 0;
        self.len -= 1;
    }

    /// Returns the slots that a key of this hash may be in.
    fn window(&self, hash: u32) -> impl Iterator<Item = usize> + use<KEY, VALUE> {
        let slots = self.hashes.len();
        let first = hash as usize % slots;
        (first..slots).chain(0..first).take(WINDOW)
    }

    /// Returns a hash that is never 0, which marks an unused slot.
    fn hash(&self, key: &[u8]) -> u32 {
        u32::try_from(hash(self.seed, key) >> 32).unwrap_or(0).max(1)
    }
}

/// Returns a hash of a key.
pub(super) fn hash(seed: u64, key: &[u8]) -> u64 {
    // FNV-1a by words, with a final mix, from a seed that clients do not know.
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    let mut words = key.chunks_exact(8);
    for word in &mut words {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        hash = (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    }
    for &byte in words.remainder() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Instant = Instant::ZERO;

    fn at(millis: u64) -> impl Fn() -> Instant + Copy {
        move || Instant::from_millis(millis)
    }

    fn with_store<const SLOTS: usize>(test: impl FnOnce(&mut Store<'_, 8, 4>)) {
        let mut hashes = [7; SLOTS];
        let mut entries = [const { Entry::EMPTY }; SLOTS];
        test(&mut Store::new(&mut hashes, &mut entries, 42));
    }

    #[test]
    fn a_key_gives_the_value_that_was_stored_last() {
        with_store::<40>(|store| {
            assert_eq!(store.get(b"a", at(1)), None);
            store.set(b"a", b"1", NEVER, at(1)).unwrap();
            store.set(b"a", b"22", NEVER, at(1)).unwrap();
            assert_eq!(store.get(b"a", at(1)), Some(&b"22"[..]));
            assert_eq!(store.len(), 1);
            assert!(store.remove(b"a", at(1)));
            assert!(!store.remove(b"a", at(1)));
            assert!(store.is_empty());
        });
    }

    #[test]
    fn a_full_window_is_an_error_until_a_key_goes_or_expires() {
        with_store::<3>(|store| {
            for key in [b"a", b"b", b"c"] {
                store.set(key, b"x", NEVER, at(1)).unwrap();
            }
            assert_eq!(store.set(b"d", b"x", NEVER, at(1)), Err(StoreError::Full));
            store.set(b"b", b"y", Instant::from_millis(10), at(1)).unwrap();
            assert_eq!(store.set(b"d", b"x", NEVER, at(9)), Err(StoreError::Full));
            store.set(b"d", b"z", NEVER, at(10)).unwrap();
            assert_eq!(store.get(b"b", at(10)), None);
            assert_eq!(store.get(b"d", at(10)), Some(&b"z"[..]));
        });
    }

    #[test]
    fn what_is_too_long_changes_nothing() {
        with_store::<4>(|store| {
            store.set(b"k", b"v", NEVER, at(1)).unwrap();
            assert_eq!(store.set(b"k", b"12345", NEVER, at(1)), Err(StoreError::ValueTooLong));
            assert_eq!(store.set(b"123456789", b"v", NEVER, at(1)), Err(StoreError::KeyTooLong));
            assert_eq!(store.get(b"k", at(1)), Some(&b"v"[..]));
        });
    }

    #[test]
    fn a_key_is_gone_at_the_time_at_which_it_expires() {
        with_store::<4>(|store| {
            store.set(b"k", b"v", Instant::from_millis(5), at(1)).unwrap();
            assert_eq!(store.expiry(b"k", at(4)), Some(Instant::from_millis(5)));
            assert!(store.set_expiry(b"k", Instant::from_millis(7), Instant::from_millis(4)));
            assert_eq!(store.get(b"k", at(6)), Some(&b"v"[..]));
            assert_eq!(store.get(b"k", at(7)), None);
            assert!(!store.set_expiry(b"k", NEVER, Instant::from_millis(7)));
        });
    }
}
