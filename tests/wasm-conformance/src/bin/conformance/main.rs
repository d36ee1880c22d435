//! The conformance suite as a program for WASI 0.1 or 0.2: the near ends of its connections belong
//! to this program, and the far ends to the test that runs the runtime
//! (`tests/wasm/conformance.rs`).
//!
//! It prints a line when a case begins and one when it ends, and in between its requests to the
//! remote peer.
//!
//! ```text
//! conformance [WORDS [ADDRESS...]]
//! ```
//!
//! runs the cases whose names have WORDS in them. On WASI 0.1 the addresses are those at which the
//! host listens for the program.

mod fixture;
#[cfg_attr(target_env = "p1", path = "wasi_p1.rs")]
#[cfg_attr(target_env = "p2", path = "wasi_p2.rs")]
mod platform;
mod remote_peer;

use std::rc::Rc;

use fixture::Network;
use platform::Given;
use selkie_conformance::{Case, Outcome, selector_cases, transport_cases, wait_cases};

/// The case that asks for a reset by the platform, which neither version of WASI has: what it calls
/// an abort, closes.
const ABORT: &str = "closing::abort_resets";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let words = arguments.next().unwrap_or_default();
    let given = Rc::new(Given::new(arguments));
    let cases = selector_cases().chain(wait_cases()).chain(transport_cases());
    for case in cases.filter(|case: &Case<Network>| case.name.contains(&words)) {
        println!("begin {}", case.name);
        let outcome =
            case.run(|capacity| Network::new(capacity, given.clone(), case.name != ABORT));
        let deviation = platform::DEVIATIONS.iter().find(|(name, _)| *name == case.name);
        match (outcome, deviation) {
            (Outcome::Failed(_), Some((_, reason))) => println!("end deviates: {reason}"),
            (Outcome::Passed, Some(_)) => {
                println!("end failed: it passed, so it is no deviation any more");
            }
            (outcome, _) => println!("end {outcome}"),
        }
    }
}
