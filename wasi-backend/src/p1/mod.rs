//! WASI 0.1: `poll_oneoff`, for modules.
//!
//! | file | contents |
//! | --- | --- |
//! | `selector.rs` | [`PollOneoff`]: polls and waits |
//! | `listener.rs` | adoption of the descriptors that the host has opened |
//! | `transport.rs` | accepts, reads, writes and closes |
//! | `descriptor.rs` | a source, and the readiness that a report stands for |
//! | `subscription.rs` | the host call, its subscriptions and reports |
//! | `error.rs` | errors of the host |
//!
//! Quirks, by the names that the code repeats:
//!
//! * all-reported: where one descriptor is ready, hosts with the code of `wasi-common` report every
//!   descriptor of the call (wasmtime up to 46, wasmi). A report of at most one byte may mean none.
//!   Such a stream is peeked at and left out if it has nothing, or one busy connection would wait
//!   behind all silent ones.
//! * bad-fd-fails-all: an unknown descriptor, or one of a kind that cannot be waited for, fails the
//!   whole call. Each descriptor is then tried by itself. A broken one is replaced in the list by a
//!   clock that has expired, which is reported at once and in every call, until it is armed again.
//! * hangup-both: some hosts set HANGUP only when both directions are closed. It counts as
//!   readiness, and the read returns the end of the stream.
//! * reset-as-io: a reset connection is reported with the error IO, and the read gives CONNRESET
//!   or, on some hosts, IO.
//! * deadline-overflow: a deadline on the monotonic clock may be absolute, which saves reading the
//!   clock. One too far in the future overflows in the host and fails the call.
//! * empty-list: a call without a subscription is refused, so a wait without a deadline has one
//!   that is decades away.
//! * no-bind: there is no `connect`, no `bind` and no address. The host opens the listener and
//!   hands it over as a descriptor.
//! * no-reset: the program cannot reset a connection.
//! * peek-is-all: only a peek at the next byte finds out that a peer is gone, and it finds the byte
//!   first if there is one. So a check notices a reset once all input was read.

mod descriptor;
mod error;
mod listener;
mod selector;
mod subscription;
mod transport;

pub use self::selector::{PollOneoff, PollOneoffStorage, StaticPollOneoff};
