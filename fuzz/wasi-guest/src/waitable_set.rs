//! WASI 0.3: what reads the host's answers, without the calls.

#[path = "../../../wasi-backend/src/p3/abi.rs"]
mod abi;
#[path = "../../../wasi-backend/src/p3/address.rs"]
mod address;
#[path = "../../../wasi-backend/src/p3/error.rs"]
mod error;
#[path = "../../../wasi-backend/src/p3/waitable_owners.rs"]
mod waitable_owners;

use core::net::SocketAddr;

use abi::Outcome;
use address::{Connect, Fallible, RawAddress, Returned};
use waitable_owners::{WaitableOwner, WaitableOwners};

/// Reads any bytes as each of the results that a host writes.
///
/// # Panics
///
/// If that gives a result that cannot be.
pub fn read(bytes: [u8; 36]) {
    // SAFETY: an array of as many bytes, of which every value is sound.
    let returned = unsafe { core::mem::transmute::<[u8; 36], Returned>(bytes) };
    let outcome = returned.check();
    assert_eq!(returned.handle().map(|_| ()), outcome);
    let address = returned.address();
    assert_eq!(address.map(|_| ()), outcome);
    let mut fallible = Fallible::EMPTY;
    assert!(size_of::<Fallible>() <= bytes.len());
    // SAFETY: it is made of numbers, of which every value is sound, and the bytes are more.
    unsafe {
        core::ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            (&raw mut fallible).cast(),
            size_of::<Fallible>(),
        )
    };
    assert_eq!(fallible.check().is_ok(), bytes[0] == 0);
    if let Ok(address) = address {
        arguments(&address);
    }
}

/// Writes an address as arguments, in both ways, and reads it again.
fn arguments(address: &SocketAddr) {
    let Connect { address: raw, .. } = Connect { socket: 1, address: RawAddress::new(address) };
    // SAFETY: both are 32 bytes without a gap, and every value of a word is sound.
    let words = unsafe { core::mem::transmute::<RawAddress, [u32; 8]>(raw) };
    assert_eq!(address::socket_address(words), *address);
    assert_eq!(address::family(address), u32::from(address.is_ipv6()));
    assert!(address::parts(address)[1..9].iter().all(|&part| part <= 0xffff));
}

/// Reads any word as the result of an operation.
///
/// # Panics
///
/// If more has moved than can have.
pub fn read_outcome(word: u32) {
    let outcome = Outcome(word);
    assert!(outcome.count() < 1 << 28);
    assert!(!(outcome.is_blocked() && (outcome.is_dropped() || outcome.is_completed())));
}

/// A table of handles, and what is to be expected of it.
#[derive(Debug)]
pub struct Table<'a> {
    owners: WaitableOwners<'a>,
    model: std::collections::BTreeMap<u32, u32>,
}

/// The places of a table.
pub const PLACES: usize = 16;

/// Applies `deeds` to a table of handles; each is a handle and an operation.
///
/// # Panics
///
/// If the table does not agree with a map.
pub fn try_table(deeds: impl Iterator<Item = (u32, u8)>) {
    let mut places = [WaitableOwner::VACANT; PLACES];
    let mut table = Table {
        owners: WaitableOwners::new(&mut places),
        model: std::collections::BTreeMap::new(),
    };
    for (handle, deed) in deeds {
        table.apply(handle.max(1), deed);
    }
}

impl Table<'_> {
    fn apply(&mut self, handle: u32, deed: u8) {
        if deed.is_multiple_of(2) {
            self.owners.remove(handle);
            self.model.remove(&handle);
        } else if self.model.len() < PLACES / 2 || self.model.contains_key(&handle) {
            self.owners.insert(handle, deed.into());
            self.model.insert(handle, deed.into());
        }
        assert_eq!(self.owners.get(handle), self.model.get(&handle).copied());
        for (&handle, &name) in &self.model {
            assert_eq!(self.owners.get(handle), Some(name));
        }
    }
}
