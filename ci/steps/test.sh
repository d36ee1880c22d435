#!/usr/bin/env bash
# All tests of this platform: units, properties, conformance, end to end.
set -euo pipefail
source ci/common.sh

# Benchmarks and their peers are no part of it: the step 'lint' compiles them, as far as lints need.
# Nor are the examples in the documentation: the step 'package' runs them, in each crate.
run cargo test --locked --workspace --exclude selkie-benches --exclude round-trip --tests
