//! The conformance suite, over the simulated platform: as an operating system that can tell
//! everything, as one that can tell next to nothing, and as a stack that keeps the output buffer,
//! over a rough network.

mod fixture;

use fixture::Virtual;
use selkie_core::Error;
use selkie_core::platform::Capabilities;
use selkie_simulation::Parameters;

fn plain(capacity: usize) -> Result<Virtual<false>, Error> {
    Virtual::new(capacity, &Parameters::CALM)
}

fn taciturn(capacity: usize) -> Result<Virtual<false>, Error> {
    let capabilities = u64::from(Capabilities::WAKER.bits());
    Virtual::new(capacity, &Parameters { capabilities, reset_discards: 1, ..Parameters::CALM })
}

fn rough(capacity: usize) -> Result<Virtual<true>, Error> {
    let parameters = Parameters {
        latency_max: 300_000,
        segment_max: 7,
        buffer_to_near: 5_000,
        buffer_to_far: 5_000,
        partial_reads: 300,
        blocked_ends: 300,
        shuffled_events: 1,
        late_return_max: 1_000,
        ..Parameters::CALM
    };
    Virtual::new(capacity, &parameters)
}

selkie_conformance::conformance_tests! {
    as_a_system_that_tells_everything: plain;
    selector wait wake wait_wake transport
}

selkie_conformance::conformance_tests! {
    as_a_system_that_tells_little: taciturn;
    selector wait wake wait_wake transport
}

selkie_conformance::conformance_tests! {
    as_a_stack_with_an_output_buffer: rough;
    selector wait wake wait_wake transport
}
