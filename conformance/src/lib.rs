//! The conformance suite of the Selkie event loop: every contract of a selector as a named test,
//! for any backend.
//!
//! The same loop runs on backends that have nothing in common but the traits of `selkie-core`. What
//! those traits promise is written down once, with the traits, and checked once, by this suite:
//! modes, fairness, deadlines, wakes, stale tokens, broken sources, and every trap that event loops
//! are known to fall into. A backend that passes can serve a loop.
//!
//! # How to run it on a backend of your own
//!
//! 1. Write a [`Fixture`]: it holds a platform of yours, opens connections whose near end the
//!    platform can watch, and drives their far end. A page of code is enough; `tests/toy` in this
//!    crate is one over memory. Leave out abilities that your platform lacks: the cases that need
//!    them are then reported as not applicable.
//! 2. Add [`WaitFixture`], [`WakeFixture`] and [`TransportFixture`] where the platform implements
//!    [`Wait`](selkie_core::platform::Wait), [`Wake`](selkie_core::platform::Wake) and
//!    [`Transport`](selkie_core::platform::Transport); each may be nearly empty.
//! 3. Where there is a test harness, let [`conformance_tests!`] make one test of each case:
//!
//!    ```text
//!    selkie_conformance::conformance_tests! {
//!        my_backend: MyFixture::new;
//!        selector wait wake wait_wake transport
//!    }
//!    ```
//!
//!    Without one, in firmware or in a WebAssembly guest, run the same cases from a table and print
//!    what comes of it:
//!
//!    ```
//!    # use selkie_conformance::{Fixture, Outcome, Summary, run_all, selector_cases};
//!    # use selkie_core::Error;
//!    fn check<F: Fixture>(make: impl FnMut(usize) -> Result<F, Error>) -> Summary {
//!        run_all(selector_cases(), make, |name, outcome| match outcome {
//!            Outcome::Passed => {}
//!            // Print it, by the means of the platform.
//!            outcome => println!("{name}: {outcome}"),
//!        })
//!    }
//!    ```
//!
//! The suite never panics, allocates, reads a clock or starts a thread: time is the platform's, and
//! what needs a thread is an ability of the fixture. A case takes a fresh fixture, and some tens of
//! KiB of stack.
//!
//! # What is checked
//!
//! | group | cases about | needs |
//! | --- | --- | --- |
//! | [`selector_cases`] | registration, deregistration, readiness, interest, modes, fairness, batches, failure, scale | [`Selector`](selkie_core::platform::Selector) |
//! | [`wait_cases`] | sleeping, waiting for events, interruptions, nothing to wait for | [`Wait`](selkie_core::platform::Wait) |
//! | [`wake_cases`] | wakes that coalesce, are not lost, not repeated and not crowded out | [`Wake`](selkie_core::platform::Wake) |
//! | [`wait_wake_cases`] | wakes that end a sleep | both |
//! | [`transport_cases`] | accepting, streams, closing, connecting | [`Transport`](selkie_core::platform::Transport) |
//!
//! # How strict it is
//!
//! Readable and writable may be reported too often, so a report for nothing fails a case only when
//! it is repeated again and again. Silence is strict where the contract says so: with
//! [`Interest::NONE`](selkie_core::Interest::NONE), after a oneshot report, and after
//! deregistering. What is expected may take its time, up to a bound of about a thousand calls
//! of [`Fixture::settle`].
#![no_std]
#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "a failed case carries its sentence, since there is no heap to put it on"
)]
#![allow(
    clippy::similar_names,
    reason = "a harness, a token and what is stale or taken have those names for good"
)]

mod accepting;
mod batches;
mod case;
mod checking;
mod closing;
mod connecting;
mod deregistration;
mod failure;
mod fairness;
mod fixture;
mod groups;
mod hangup;
mod harness;
mod interest;
mod modes;
mod nothing_to_wait_for;
mod outcome;
mod partial_consume;
mod readiness;
mod registration;
mod scale;
mod sleeping;
mod streams;
mod vectored;
mod waiting;
mod waking;
mod waking_waits;

pub use case::{Case, MakeFixture, Summary, run_all, run_one};
pub use fixture::{
    AddressOf, Fixture, SourceOf, TransportFixture, WaitFixture, WakeFixture, WakerOf,
};
pub use groups::{selector_cases, transport_cases, wait_cases, wait_wake_cases, wake_cases};
pub use outcome::{Note, Outcome};
