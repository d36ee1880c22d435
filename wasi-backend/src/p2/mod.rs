//! WASI 0.2: `wasi:io/poll` and `wasi:sockets`, for components.
//!
//! | file | contents |
//! | --- | --- |
//! | `selector.rs` | [`IoPoll`]: polls, waits, and closing in the background |
//! | `batch.rs` | a batch of events, from one or more host calls |
//! | `ration.rs` | steps that the host allows between two sleeps |
//! | `listener.rs` | listening, and addresses |
//! | `transport.rs` | accepts, connects, reads, writes and closes |
//! | `streams.rs` | a source, and the readiness that a report stands for |
//! | `pollable.rs` | pollables of the program, and standard input |
//! | `udp.rs`, `lookup.rs` | UDP sockets; the lookup of names |
//! | `deadline_pollable.rs` | the clock of waits with a deadline |
//! | `arena.rs` | memory for the lists that the host returns |
//! | `imports/` | the functions of the host |
//! | `error.rs` | errors of the host |
//!
//! Quirks, by the names that the code repeats:
//!
//! * empty-list: an empty list of pollables ends the program.
//! * excess-write: a write of more bytes than `check-write` has just allowed ends the program.
//! * host-order: the list of pollables is read in place, so the handles stay packed. The result
//!   names the ready ones in an order of the host's own, the same each time. Reported items are
//!   moved together, and the next batch begins behind them if there was no room for all.
//! * child-first: a pollable is a child of its stream, and a stream of its socket. A parent that is
//!   dropped first ends the program. Each direction has its own pollable, made when it is first
//!   waited for and kept until the end.
//! * host-buffers: a host takes all bytes of a write and keeps those that the system does not take;
//!   `check-write` says 0 until they are gone. Dropping the stream before that loses them on
//!   wasmtime 36 and blocks the whole program on wasmtime 48. Such a stream is closed in the
//!   background: it keeps its place in the table until its buffer is empty, even if the bytes were
//!   to be thrown away.
//! * no-reason: a host does not report why a stream failed (`network-error-code` is behind a
//!   feature that hosts turn off). On an established connection it means in practice a reset by the
//!   peer.
//! * no-reset: the program cannot reset a connection.
//! * no-hangup: no pollable reports a hang-up alone. Reading does, and `check-write` once the host
//!   has tried to send. A connection that was reset has no remote address any more, and neither has
//!   one whose two ends were both shut down, so a check asks for that while writing is open.
//! * no-zero-wait: a poll always blocks until something is ready. One that must not block has an
//!   expired clock in its list.
//! * ration: wasmtime limits what a program may do before it sleeps. Beyond that limit nothing is
//!   reported as ready, and no room to write is granted. `ration.rs` is about that.
//! * readable-until-empty: a stream is ready until a read has found nothing in it, even if the read
//!   before took everything. With many sources, the poll that finds this out costs far more than a
//!   read, so the server reads again after it has answered.
//! * expired-at-birth: a clock that had expired when it was made is always ready, and a poll that
//!   reports anything does not sleep. With the ration used up, each poll would report that clock
//!   and nothing else. A clock that expired later takes steps of the ration like others, so only
//!   such clocks go into a poll that must not block.

pub(crate) mod arena;
mod batch;
mod deadline_pollable;
mod error;
pub(crate) mod imports;
mod listener;
#[cfg(target_arch = "wasm32")]
mod lookup;
mod pollable;
mod ration;
mod selector;
mod streams;
mod transport;
#[cfg(target_arch = "wasm32")]
mod udp;

pub use self::selector::{IoPoll, IoPollStorage, StaticIoPoll};
