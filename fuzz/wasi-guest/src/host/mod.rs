//! The host: the fuzzer answers every call.

pub mod preview1;
mod preview2;

use std::cell::RefCell;
use std::collections::BTreeSet;

/// The most calls in a row that a host fails to answer with an event, an end or an error. A real
/// one makes progress some time, and backends rely on that where they wait.
const IDLE_CALLS_MAX: u32 = 50;

/// State of the host.
#[derive(Default)]
struct Host {
    answers: Vec<u8>,
    given: usize,
    /// Number of calls in a row without an event.
    idle_calls: u32,
    clock: u64,
    /// The handles of 0.2, and the descriptors of 0.1, that the guest has.
    handles: BTreeSet<u32>,
    issued: u32,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Begins a new host with these answers, followed by zeros.
pub fn begin(answers: &[u8]) {
    HOST.set(Host { answers: answers.to_vec(), ..Host::default() });
}

/// Returns whether all answers were given.
#[must_use]
pub fn is_over() -> bool {
    HOST.with_borrow(|host| host.given >= host.answers.len())
}

/// Returns the number of handles the guest has.
#[must_use]
pub fn handles() -> usize {
    HOST.with_borrow(|host| host.handles.len())
}

/// Returns the next byte of the answers.
#[must_use]
pub fn byte() -> u8 {
    HOST.with_borrow_mut(|host| {
        host.given += 1;
        host.answers.get(host.given - 1).copied().unwrap_or(0)
    })
}

/// Returns the next bytes.
#[must_use]
pub fn array<const N: usize>() -> [u8; N] {
    core::array::from_fn(|_| byte())
}

/// Returns a small number in most cases, and sometimes any.
fn number() -> u64 {
    match byte() {
        255 => u64::from_le_bytes(array()),
        small => small.into(),
    }
}

/// Notes that nothing happened; says whether something has to, now. Then it is much later, too.
fn must_go_on() -> bool {
    HOST.with_borrow_mut(|host| {
        host.idle_calls = (host.idle_calls + 1) % IDLE_CALLS_MAX;
        let is_enough = host.idle_calls == 0;
        host.clock = host.clock.saturating_add(u64::from(is_enough) << 30);
        is_enough
    })
}

/// Returns the time, which advances by itself and jumps now and then.
fn clock() -> u64 {
    let jump = if byte() == 255 { u64::from(byte()) << 50 } else { 1 };
    HOST.with_borrow_mut(|host| {
        host.clock = host.clock.saturating_add(jump);
        host.clock
    })
}

/// Issues a handle that the guest owns from now on.
fn issue() -> u32 {
    HOST.with_borrow_mut(|host| {
        host.issued += 1;
        host.handles.insert(host.issued);
        host.issued
    })
}

/// Drops a handle, which the guest must own.
fn drop_handle(handle: u32) {
    let owned = HOST.with_borrow_mut(|host| host.handles.remove(&handle));
    assert!(owned, "the guest gave back {handle}, which it does not have");
}

/// Removes a descriptor that the guest did not adopt.
pub fn take_back(fd: u32) {
    drop_handle(fd);
}

/// Checks that the guest owns a handle.
fn check(handle: u32) {
    let owned = HOST.with_borrow(|host| host.handles.contains(&handle));
    assert!(owned, "the guest used {handle}, which it does not have");
}
