#!/usr/bin/env bash
# All tests of this platform: units, properties, conformance, end to end, documentation examples.
set -euo pipefail
source ci/common.sh

# Benchmarks and their peers are no part of it: the step 'lint' compiles them, as far as lints need.
run cargo test --locked --workspace --exclude selkie-benches --exclude round-trip
