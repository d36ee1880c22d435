//! A simulated, seeded and hostile platform for the Selkie event loop.
//!
//! Services of Selkie are sans-IO and time is an argument, so a whole server can run against a
//! network and a clock that are only simulated. Everything that happens is drawn from one seed:
//! what is late, cut short, reset, reported twice, reported for nothing. A run that fails fails
//! again from its seed, and is made smaller by turning one parameter down after the other.
//!
//! # Trying a service of your own
//!
//! [`run`] puts a [`Service`](selkie_core::Service) on the platform, lets a [`ClientModel`] play
//! its clients, and checks after every turn what must hold for any service: see *What is checked*.
//! The far side adds what it knows of the protocol, as a [`Judge`].
//!
//! ```
//! use selkie_core::platform::Close;
//! use selkie_core::{Instant, Peer, Service};
//! use selkie_simulation::{ADDRESS, FarEnd, ClientModel, Judge, Network, Scenario, Trace, run};
//!
//! /// The service under test: answers in capitals.
//! struct Shout;
//!
//! impl Service for Shout {
//!     type Session = ();
//!
//!     fn received(&mut self, peer: &mut Peer<'_>, _session: &mut (), bytes: &[u8]) -> usize {
//!         peer.send(&bytes.to_ascii_uppercase()).map_or(0, |()| bytes.len())
//!     }
//! }
//!
//! /// One client: says hello, ends its stream, and reads to the end.
//! #[derive(Default)]
//! struct Client {
//!     far: Option<FarEnd>,
//!     sent: usize,
//!     answer: Vec<u8>,
//! }
//!
//! impl ClientModel for Client {
//!     fn next_action(&self) -> Option<Instant> {
//!         if self.far.is_none() { Some(Instant::ZERO) } else { None }
//!     }
//!
//!     fn act(&mut self, network: &mut Network) {
//!         let far = *self.far.get_or_insert_with(|| network.dial(ADDRESS));
//!         while network.next_news().is_some() {
//!             let rest = &b"hello"[self.sent..];
//!             self.sent += network.far_write(far, rest).unwrap_or(0);
//!             if self.sent == 5 {
//!                 let _ = network.far_end(far);
//!             }
//!             let mut buffer = [0; 16];
//!             while let Ok(count) = network.far_read(far, &mut buffer) {
//!                 if count == 0 {
//!                     let _ = network.far_close(far, Close::Graceful);
//!                 }
//!                 self.answer.extend(&buffer[..count]);
//!             }
//!         }
//!     }
//! }
//!
//! impl Judge<Shout> for Client {}
//!
//! for seed in 0..50 {
//!     let mut scenario = Scenario::draw(seed);
//!     // The network does anything but break connections.
//!     for parameter in
//!         ["resets", "register_failures", "modify_failures", "accept_aborts", "drain_turn"]
//!     {
//!         scenario.set(parameter, 0);
//!     }
//!     for timeout in ["idle_timeout", "stall_timeout"] {
//!         scenario.set(timeout, 0);
//!     }
//!     let report = run(&scenario, Shout, Client::default(), Trace::off());
//!     assert_eq!(report.violation, None, "seed {seed}");
//!     assert_eq!(report.client_model.answer, b"HELLO", "seed {seed}");
//! }
//! ```
//!
//! To use the platform without the harness, take [`Simulated`], which implements the
//! contracts of `selkie-core` like any other platform, and drives the far ends by hand with
//! [`NoClients`] in the place of clients.
//!
//! # What is checked
//!
//! | rule | where it is judged |
//! | --- | --- |
//! | no byte lost, changed, repeated or reordered | each client knows what it must get; a stream that ends cleanly is complete |
//! | no event to a dead token | in front of the handler, against the platform's registrations |
//! | a service is offered every byte before the end | in front of the service, against the bytes that arrived |
//! | calls come in order, sessions are fresh | between the server and the service |
//! | connections close for a reason that the platform has seen | the platform keeps the evidence for each near end |
//! | deadlines are neither early nor late | idle and stall by the platform, and idle from the end of callbacks; timers by the service |
//! | slots, registrations, descriptors, blocks and timers come back | after every turn, and all of them after the drain |
//! | no turn without progress, no wait without a cause | turns without progress that no fault caused |
//! | bounded work per turn | accepts, and reads per event |
//! | no client waits without end | when nothing will happen any more, every client has all its bytes |
//! | draining ends | soon after its deadline |
//! | an attempt to connect has one outcome, a message one receiver | by the service of the second server, and its counters |
//! | counters agree | with what the platform has counted, after every turn |
//!
//! # Features
//!
//! `std` (default) adds `play` and `shrink`, which run the workloads of this crate and make
//! failures smaller. Without it the crate needs only `alloc`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod client_api;
mod client_model;
mod delivery;
mod endpoint_ops;
mod evidence;
mod harness;
mod network;
mod parameters;
mod pipe;
mod platform;
mod random;
mod report;
#[cfg(feature = "std")]
mod runner;
mod scenario;
mod trace;
mod transport;
mod workload;

pub use client_model::{ClientModel, NoClients};
pub use evidence::{Closed, Evidence};
pub use harness::{ADDRESS, Judge, Report, Rest, Violation, run};
pub use network::{Address, ConnectionEvidence, FarEnd, Network};
pub use parameters::Parameters;
pub use platform::{Simulated, Source, Waker};
pub use random::Random;
#[cfg(feature = "std")]
pub use runner::{Outcome, play, shrink};
pub use scenario::{Crowd, Limits, Scenario};
pub use trace::Trace;
pub use workload::{Clients, Mixed};
