#!/usr/bin/env bash
# Clippy (pedantic) finds nothing: libraries, examples, tests, and the benchmarks with their peers.
set -euo pipefail
source ci/common.sh

need_component clippy
run cargo clippy --locked --workspace --all-targets -- -D warnings
