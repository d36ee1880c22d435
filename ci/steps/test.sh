#!/usr/bin/env bash
# All tests of this machine's platform: units, properties, conformance, end to end, documentation examples.
set -euo pipefail
source ci/common.sh

run cargo test --locked --workspace
