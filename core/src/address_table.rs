//! The table in which connections are counted by their remote addresses.
//!
//! It has as many entries as the loop has slots: each connection has one address at most. An entry
//! has two parts that have nothing to do with each other: one for an address, which is in any free
//! entry, and one for the connection in the slot of the same number. Addresses of equal hash are
//! linked, so counting takes constant time.

use core::net::{IpAddr, SocketAddr};

use crate::contract::Instant;

/// The memory that limits need for one slot of the loop. All bits zero is one without an address
/// and without a connection.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LimitEntry {
    /// The address, or its network; see [`key_of`].
    key: u64,
    /// The connections of this address; 0 is a free entry.
    count: u32,
    /// The next address of the same hash, or the next free entry, as index + 1.
    next: u32,
    /// The first address whose hash is the number of this entry, as index + 1.
    first: u32,
    /// The entry of the address of the connection in this slot, as index + 1.
    address: u32,
    /// The time for which the bytes that were read from this connection last, at the rate that it
    /// is allowed.
    pub(crate) paid_until: Instant,
}

impl LimitEntry {
    /// An entry without an address, all bits zero.
    pub const EMPTY: Self =
        Self { key: 0, count: 0, next: 0, first: 0, address: 0, paid_until: Instant::ZERO };

    /// Returns whether the entry was never used.
    pub(crate) const fn is_unused(&self) -> bool {
        self.count | self.next | self.first | self.address == 0
            && self.paid_until.as_nanos() | self.key == 0
    }
}

/// The state of the limits, beside the table.
#[derive(Debug, Default)]
pub(crate) struct LimitState {
    /// The time for which the connections that were accepted last, at the rate that is allowed.
    pub(crate) accepted_until: Instant,
    /// An odd number that no client knows, so that none can choose addresses of equal hash.
    multiplier: u64,
    /// The first free entry that was used before, as index + 1.
    free: u32,
    /// The number of entries that were ever used for addresses.
    used: u32,
}

/// The table of addresses, with its state.
pub(crate) struct Addresses<'t> {
    pub(crate) entries: &'t mut [LimitEntry],
    pub(crate) state: &'t mut LimitState,
}

/// Returns the key of all that is counted as one address: an IPv4 address, or a network of 64 bits
/// of IPv6, all of which a single host usually has.
pub(crate) fn key_of(address: SocketAddr) -> u64 {
    match address.ip().to_canonical() {
        // No peer has an IPv6 address that begins with 32 set bits: those are multicast.
        IpAddr::V4(ip) => u64::from(u32::MAX) << 32 | u64::from(u32::from(ip)),
        IpAddr::V6(ip) => u64::from_be_bytes(ip.octets()[..8].try_into().unwrap_or_default()),
    }
}

/// Returns the index of a link.
const fn index(link: u32) -> Option<usize> {
    match link {
        0 => None,
        _ => Some(link as usize - 1),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a loop has less than 2^31 slots")]
const fn link(index: usize) -> u32 {
    index as u32 + 1
}

impl LimitState {
    /// Chooses the hash of addresses, once.
    pub(crate) const fn choose_hash(&mut self, seed: u64) {
        if self.multiplier == 0 {
            self.multiplier = scramble(seed) | 1;
        }
    }
}

impl Addresses<'_> {
    /// Returns the entry whose list has the addresses of this hash.
    #[allow(clippy::cast_possible_truncation, reason = "it is below the length of the table")]
    fn list_of(&self, key: u64) -> usize {
        let hash = key.wrapping_mul(self.state.multiplier) >> 32;
        ((hash * self.entries.len() as u64) >> 32) as usize
    }

    /// Returns the entry of an address, if it has connections.
    fn find(&self, key: u64) -> Option<usize> {
        let mut place = index(self.entries[self.list_of(key)].first);
        while let Some(found) = place {
            if self.entries[found].key == key {
                return Some(found);
            }
            place = index(self.entries[found].next);
        }
        None
    }

    /// Returns the number of connections of an address.
    pub(crate) fn count(&self, key: u64) -> u32 {
        self.find(key).map_or(0, |found| self.entries[found].count)
    }

    /// Takes a free entry. There is one: fewer connections are counted than there are entries.
    fn take_free(&mut self) -> usize {
        if let Some(free) = index(self.state.free) {
            self.state.free = self.entries[free].next;
            return free;
        }
        let fresh = self.state.used as usize;
        self.state.used += 1;
        fresh
    }

    /// Counts the connection of a slot for its address.
    pub(crate) fn join(&mut self, slot: usize, key: u64) {
        // The last connection of this slot was not counted off if its service has panicked.
        self.leave(slot);
        let found = self.find(key).unwrap_or_else(|| {
            let (new, list) = (self.take_free(), self.list_of(key));
            self.entries[new].key = key;
            self.entries[new].next = self.entries[list].first;
            self.entries[list].first = link(new);
            new
        });
        self.entries[found].count += 1;
        self.entries[slot].address = link(found);
    }

    /// Counts the connection of a slot no more, if it was.
    pub(crate) fn leave(&mut self, slot: usize) {
        // The token of another handler may be beyond the table.
        let Some(entry) = self.entries.get_mut(slot) else { return };
        let Some(found) = index(core::mem::take(&mut entry.address)) else { return };
        self.entries[found].count -= 1;
        if self.entries[found].count == 0 {
            self.unlink(found);
            self.entries[found].next = self.state.free;
            self.state.free = link(found);
        }
    }

    /// Takes an address out of the list of its hash.
    fn unlink(&mut self, found: usize) {
        let next = self.entries[found].next;
        let list = self.list_of(self.entries[found].key);
        if self.entries[list].first == link(found) {
            self.entries[list].first = next;
            return;
        }
        let mut place = index(self.entries[list].first);
        while let Some(before) = place {
            if self.entries[before].next == link(found) {
                self.entries[before].next = next;
                return;
            }
            place = index(self.entries[before].next);
        }
    }
}

/// Mixes the bits of a number (the end of `SplitMix64`).
const fn scramble(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_while_they_have_connections() {
        let mut entries = [LimitEntry::EMPTY; 16];
        // All of one hash: the lists do the rest.
        for multiplier in [0, 0x9e37_79b9_7f4a_7c15] {
            let mut state = LimitState { multiplier, ..LimitState::default() };
            let mut addresses = Addresses { entries: &mut entries, state: &mut state };
            for round in 0..3 {
                for slot in 0..16 {
                    addresses.join(slot, 100 + slot as u64 % 5);
                }
                assert_eq!([0, 1, 2, 3, 4].map(|key| addresses.count(100 + key)), [4, 3, 3, 3, 3]);
                for slot in 0..16 {
                    // In another order than they have come.
                    addresses.leave((slot * (2 * round + 1)) % 16);
                }
                assert_eq!([0, 1, 2, 3, 4].map(|key| addresses.count(100 + key)), [0; 5]);
            }
            addresses.leave(3);
            for slot in 0..16 {
                addresses.join(slot, slot as u64);
            }
            assert!((0..16).all(|key| addresses.count(key) == 1));
            (0..16).for_each(|slot| addresses.leave(slot));
            assert!(addresses.entries.iter().all(|entry| entry.count == 0 && entry.first == 0));
            entries = [LimitEntry::EMPTY; 16];
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let key = |text: &str| key_of(text.parse().expect("an address"));
        assert_eq!(key("10.0.0.1:7"), key("10.0.0.1:8"));
        assert_eq!(key("10.0.0.1:7"), key("[::ffff:10.0.0.1]:7"));
        assert_ne!(key("10.0.0.1:7"), key("10.0.0.2:7"));
        assert_eq!(key("[2001:db8:1:2::3]:7"), key("[2001:db8:1:2:ffff::4]:7"));
        assert_ne!(key("[2001:db8:1:2::3]:7"), key("[2001:db8:1:3::3]:7"));
    }
}
