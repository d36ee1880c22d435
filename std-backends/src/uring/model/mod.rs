//! A model of the kernel's side of a ring, for unit tests: operations are completed in any order,
//! late, in part, cancelled, failed; queues overflow; submissions are refused; buffers run out.
//!
//! The model works on the same memory as the kernel: it reads the submissions, the bytes to send
//! and the provided buffers, writes received bytes and completions, and writes over each buffer
//! that it has. It judges, in each of some hundred random runs:
//!
//! * no byte is lost, changed, repeated or reordered, in either direction;
//! * no descriptor is closed before every operation on it is completed, so no place is used again
//!   and no completion reaches a later source;
//! * accepted connections are neither lost nor handed over twice;
//! * nothing is stuck once the faults end;
//! * there are always buffers for the next receive of any connection;
//! * in the end every buffer is free or provided, and every descriptor is closed.
//!
//! A run repeats exactly by its seed, which a failure names. `SELKIE_RING=SEED cargo test -p
//! selkie-std --lib model` runs that one. A failed run is tried again with fewer kinds of faults,
//! and the fewest that fail are named too.

mod driver;
mod flight;
mod kernel;
mod random;
mod world;

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie_core::Instant;
use selkie_core::platform::Close;

use driver::Driver;

pub(super) use kernel::Model;

/// The time of every turn.
const CLOCK: Instant = Instant::ZERO;
/// Random runs in a test.
const RUNS: u64 = 150;
/// Steps of a run.
const STEPS: usize = 150;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Faults(u32);

impl Faults {
    pub(super) const NONE: Self = Self(0);
    /// Operations are completed in any order.
    const ORDER: Self = Self(1);
    /// Some are completed later, and a cancelled one may succeed.
    const LATE: Self = Self(2);
    /// Fewer bytes than there are.
    const SHORT: Self = Self(4);
    /// The queue of completions has little room.
    const OVERFLOW: Self = Self(8);
    /// An entry is interrupted or refused, or takes some submissions only.
    const REFUSALS: Self = Self(16);
    /// Operations fail.
    const FAILURES: Self = Self(32);
    /// Clients reset, or take no bytes.
    const CLIENTS: Self = Self(64);
    const ALL: Self = Self(127);

    const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Lets a client act, or a new one connect.
fn disturb(driver: &Driver) {
    let mut state = driver.model.state();
    let has_bad_clients = state.has(Faults::CLIENTS);
    let count = state.world.peers.len();
    let (what, id, amount) =
        (state.random.below(12), state.random.below(count), 1 + state.random.below(150));
    if what < 2 {
        let index = state.random.below(2);
        state.world.listeners[index].waiting += 1 + amount % 20;
        return;
    }
    let Some(peer) = state.world.peers.get_mut(id) else { return };
    match what {
        2..=7 if !peer.has_ended && !peer.is_reset => peer.sent += amount as u64,
        8 => peer.has_ended = true,
        9 if has_bad_clients => (peer.is_reset, peer.has_failed) = (true, true),
        10 if has_bad_clients => peer.is_stalled = true,
        11 => peer.is_stalled = false,
        _ => {}
    }
}

/// Ends the faults, and lets every client end its stream.
fn calm(driver: &Driver) {
    let mut state = driver.model.state();
    state.faults = Faults::NONE;
    for peer in &mut state.world.peers {
        peer.has_ended = true;
        // Who is closed already goes on to take nothing: its close is given up.
        peer.is_stalled &= peer.user.closed == Some(Close::Graceful);
        peer.has_failed |= peer.is_stalled;
    }
}

/// Returns true if every connection is closed, and no client waits.
fn is_over(driver: &Driver) -> bool {
    let state = driver.model.state();
    let has_waiting = state.world.listeners.iter().any(|listener| listener.waiting > 0);
    !has_waiting
        && state.world.peers.iter().all(|peer| peer.user.closed.is_some() && !peer.is_open())
}

/// Describes what is not over, for a failure message.
fn rest(driver: &Driver) -> String {
    let state = driver.model.state();
    let peers = state.world.peers.iter().enumerate();
    let open: Vec<_> =
        peers.filter(|(_, peer)| peer.is_open() || peer.user.closed.is_none()).collect();
    format!("{:#?}\n{:#?}\n{:#?}", state.world.listeners, open, state.flights)
}

/// Checks what has to be true of every connection that is over.
fn check_connections(driver: &Driver) {
    let state = driver.model.state();
    for (id, peer) in state.world.peers.iter().enumerate() {
        assert!(peer.user.source.is_some(), "connection {id} was never handed over");
        if !peer.has_failed {
            assert_eq!(peer.taken, peer.user.written, "connection {id} lost output");
        }
    }
}

/// Makes a random run. Panics if something is wrong.
fn run(seed: u64, faults: Faults) {
    let mut driver = Driver::new(seed, faults);
    for _ in 0..STEPS {
        disturb(&driver);
        let what = driver.model.state().random.below(8);
        match what {
            0..=3 => driver.turn(false),
            4..=6 => driver.act(),
            _ => driver.connect(),
        }
    }
    calm(&driver);
    for round in 0.. {
        assert!(round < 3000, "something is stuck: {}", rest(&driver));
        driver.turn(true);
        driver.finish_connections();
        calm(&driver);
        if is_over(&driver) {
            break;
        }
    }
    check_connections(&driver);
    driver.platform.buffers.check_all(0);
    let Driver { platform, model, .. } = driver;
    drop(ManuallyDrop::into_inner(platform));
    let state = model.state();
    assert!(state.flights.is_empty() && state.done.is_empty(), "operations are left");
    assert!(state.world.peers.iter().all(|peer| !peer.is_open()), "a descriptor is left");
}

/// Returns true if a run fails.
fn fails(seed: u64, faults: Faults) -> bool {
    catch_unwind(AssertUnwindSafe(|| run(seed, faults))).is_err()
}

/// Makes a run. After a failure names the seed, and the fewest kinds of faults that fail too.
fn checked(seed: u64) {
    if !fails(seed, Faults::ALL) {
        return;
    }
    let mut faults = Faults::ALL;
    for kind in 0..7 {
        let fewer = faults.without(Faults(1 << kind));
        if fails(seed, fewer) {
            faults = fewer;
        }
    }
    panic!("seed {seed} fails, and so it does with {faults:?} alone");
}

#[test]
fn random_runs_lose_nothing_and_leave_nothing() {
    match std::env::var("SELKIE_RING").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => run(seed, Faults::ALL),
        None => (0..RUNS).for_each(checked),
    }
}
