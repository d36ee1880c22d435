#!/usr/bin/env bash
# Clippy (pedantic) finds nothing in any target of this machine's platform: libraries, examples, tests, benchmarks.
set -euo pipefail
source ci/common.sh

need_component clippy
run cargo clippy --locked --workspace --all-targets -- -D warnings
