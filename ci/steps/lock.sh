#!/usr/bin/env bash
# The three lock files are complete, so that every build below is of the versions committed.
set -euo pipefail
source ci/common.sh

run cargo fetch --locked
run cargo fetch --locked --manifest-path guests/Cargo.toml
run cargo fetch --locked --manifest-path fuzz/Cargo.toml
