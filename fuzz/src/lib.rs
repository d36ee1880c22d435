//! Fuzz targets: for any input, nothing panics and no rule is broken.
//!
//! | target | what the fuzzer's bytes are | what must hold |
//! | --- | --- | --- |
//! | `registry` | what is done to a registry, from any generation on | it agrees with the set of tokens that are live |
//! | `timers` | what is done to timers | they agree with a sorted map |
//! | `event_loop` | what a selector reports, and what a handler does meanwhile; also over embedded-io devices | only live tokens are delivered, deadlines are exact, counters agree |
//! | `server` | the seed, the parameters and the choices of a run of the simulation | all that the simulation checks on every turn |
//! | `wasi` | what a host of WASI 0.1, 0.2 or 0.3 answers to each call | nothing panics, no event for a dead token, every handle is given back once |
//! | `http`, `kv` | what a client of the example sends, and how it is cut | nothing panics, no more is taken than was offered |
//! | `smoltcp` | the frames that a network receives | nothing panics, the loop sleeps, every socket comes back |
//!
//! Each target is a file in `fuzz_targets`; what several need, or what takes longer to say, is in
//! this library. From the project's folder:
//!
//! ```text
//! ci/test fuzz               each target for a few seconds, as CI does
//! ci/fuzz 600                each target for ten minutes
//! ci/fuzz 3600 server wasi   two of them for an hour each
//! ```
//!
//! With `cargo install cargo-fuzz` and a nightly compiler, cargo-fuzz's own commands do as well:
//! `cargo +nightly fuzz run --sanitizer none server` goes on until it finds something, and `segment
//! +nightly fuzz tmin --sanitizer none server FILE` makes the input smaller. No target needs the
//! address sanitizer but `wasi`, since all else is free of unsafe code, and without it the targets
//! are several times faster.
//!
//! `corpus` has a few inputs for each target, small ones that reach much, to begin with. What a run
//! finds besides goes into the target folder.

pub mod choices;
pub mod device;
pub mod devices;
pub mod driver;
pub mod guest;
pub mod hostile;
pub mod peer;
pub mod programs;
pub mod test_bench;
