//! The tables of core against models that are too simple to be wrong.

use proptest::prelude::ProptestConfig;

mod handle_table;
mod registry;
mod source_table;
mod timers;

/// Returns the configuration of a test: fewer cases under Miri, which is hundreds of times slower;
/// and no files beside the tests.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if cfg!(miri) { 1 } else { usual.cases };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

/// Returns the most steps of a case: `usual`, or a few under Miri.
const fn steps(usual: usize) -> usize {
    if cfg!(miri) { 12 } else { usual }
}
