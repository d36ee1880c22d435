//! The tables of core against models that are too simple to be wrong.

use proptest::prelude::ProptestConfig;

mod registrations;
mod registry;
mod timers;

/// Fewer cases under Miri, which is hundreds of times slower; and no files beside the tests.
fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 1024 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
