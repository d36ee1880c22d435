//! Two platforms over TCP as one, whose first sleeps for both.

use std::net::SocketAddr;

use selkie_conformance::{
    Case, Outcome, selector_cases, transport_cases, wait_cases, wait_wake_cases, wake_cases,
};
use selkie_core::Error;
use selkie_core::adapters::{Either, Pair};
use selkie_core::platform::{Close, Transport};
use selkie_std::selectors::{AnySelector, Backend};
use selkie_std::{Platform, Socket};

use crate::fixture::{Near, Over};
use crate::remote::{self, Remote};
use crate::world::{Borrowed, Owned};

/// The cases that do not end: a pair does not know which sources of its second half are silent.
const ENDLESS: [&str; 3] = [
    "nothing_to_wait_for::when_all_are_silenced",
    "nothing_to_wait_for::when_oneshots_were_reported",
    "nothing_to_wait_for::but_a_deadline_is_a_sleep",
];

/// The cases that fail: each half has a table of tokens of its own, and they take turns in filling
/// a batch first, however many of their sources are ready.
const DEVIATIONS: [&str; 9] = [
    "registration::the_same_token_twice_is_refused",
    "registration::a_stale_token_registers_nothing",
    "fairness::every_ready_source_is_reported_in_time",
    "fairness::no_index_is_favoured",
    "fairness::sources_that_leave_do_not_make_others_wait",
    "waiting::waits_are_fair",
    "waking::a_taken_token_is_refused",
    "waking::the_token_of_a_waker_takes_no_source",
    "waking::a_wake_is_reported_beside_many_events",
];

type Half = Platform<AnySelector<'static>>;

/// The platforms, and a listener of the far side.
pub(crate) struct Paired {
    pair: Pair<Half, Half>,
    remote: Remote,
    /// Set if the second platform takes the next near end.
    is_second: bool,
}

impl Near for Paired {
    type Platform = Pair<Half, Half>;

    const IS_TCP: bool = true;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        // Beside what is registered, a case holds a few sources that are not.
        let half = || Platform::new(AnySelector::new(backend, capacity)?, capacity + 16);
        Ok(Self { pair: Pair::new(half()?, half()?), remote: Remote::new()?, is_second: false })
    }

    fn platform(&mut self) -> &mut Pair<Half, Half> {
        &mut self.pair
    }

    fn pair(&mut self) -> Result<(Either<Socket, Socket>, Owned), Error> {
        let (near, far) = self.remote.pair()?;
        Ok((self.adopt(near)?, far))
    }

    fn adopt(&mut self, fd: Owned) -> Result<Either<Socket, Socket>, Error> {
        self.is_second = !self.is_second;
        let adopted = if self.is_second {
            self.pair.second.adopt(fd).map(Either::Second)
        } else {
            self.pair.first.adopt(fd).map(Either::First)
        };
        adopted.map_err(|(error, _)| error)
    }

    fn fd(&self, source: Either<Socket, Socket>) -> Result<Borrowed<'_>, Error> {
        match source {
            Either::First(source) => self.pair.first.fd(source),
            Either::Second(source) => self.pair.second.fd(source),
        }
    }

    fn read(&mut self, source: Either<Socket, Socket>, buffer: &mut [u8]) -> Result<usize, Error> {
        self.pair.read(source, buffer)
    }

    fn write(&mut self, source: Either<Socket, Socket>, bytes: &[u8]) -> Result<usize, Error> {
        self.pair.write(source, bytes)
    }

    fn close(&mut self, source: Either<Socket, Socket>) -> Result<(), Error> {
        self.pair.close(source, Close::Graceful)
    }

    fn listener(&mut self) -> Result<Either<Socket, Socket>, Error> {
        let address = ([127, 0, 0, 1], 0).into();
        self.is_second = !self.is_second;
        if self.is_second {
            self.pair.second.listen(address, 16).map(Either::Second)
        } else {
            self.pair.first.listen(address, 16).map(Either::First)
        }
    }

    fn dial(&mut self, listener: Either<Socket, Socket>) -> Result<Owned, Error> {
        remote::dial(match listener {
            Either::First(listener) => self.pair.first.local_address(listener)?,
            Either::Second(listener) => self.pair.second.local_address(listener)?,
        })
    }

    fn destination(&self) -> Result<SocketAddr, Error> {
        self.remote.address()
    }

    fn peer_accept(&self) -> Result<Owned, Error> {
        self.remote.accept()
    }
}

/// Runs cases, and returns the names of those that fail.
fn failures(cases: impl Iterator<Item = Case<Over<Paired>>>) -> Vec<&'static str> {
    let mut failures = Vec::new();
    for case in cases.filter(|case| !ENDLESS.contains(&case.name)) {
        let outcome = case.run(|capacity| Over::new(Backend::default(), capacity));
        if !matches!(outcome, Outcome::Passed) {
            println!("{}: {outcome}", case.name);
        }
        if matches!(outcome, Outcome::Failed(_)) {
            failures.push(case.name);
        }
    }
    failures
}

#[test]
fn the_contract_holds_over_a_pair_less_what_its_documentation_says() {
    let cases = selector_cases().chain(wait_cases()).chain(wake_cases());
    assert_eq!(failures(cases.chain(wait_wake_cases()).chain(transport_cases())), DEVIATIONS);
}
