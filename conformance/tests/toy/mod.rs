//! A platform over memory with a clock of its own, and its fixture: an example for authors of
//! backends, and something to plant faults in, so that the suite itself is tested.

mod fault;
mod fixture;
mod network;
mod platform;
mod transport;
mod waiting;

pub(crate) use fault::Fault;
pub(crate) use fixture::ToyFixture;
