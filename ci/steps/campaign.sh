#!/usr/bin/env bash
# A minute of fresh seeds of the simulation breaks no rule.
set -euo pipefail
source ci/common.sh

# As ci/planted-bugs builds, and in its folder, so that most is built already.
export CARGO_TARGET_DIR="$target_folder/planted/target"
export CARGO_PROFILE_RELEASE_OPT_LEVEL=2 CARGO_PROFILE_RELEASE_LTO=off
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 RUSTFLAGS="${RUSTFLAGS-} --allow=warnings"
run cargo run --locked --quiet --release -p selkie-simulation --example seeds -- \
    --count 1000000 --seconds 60
