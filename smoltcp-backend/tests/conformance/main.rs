//! The conformance suite, over a network whose other end is a plain smoltcp host in memory.

mod fixture;
#[path = "../world/mod.rs"]
mod world;

use fixture::OverWire;

selkie_conformance::conformance_tests! {
    smoltcp: OverWire::new;
    selector transport
}
