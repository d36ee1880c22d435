#!/usr/bin/env bash
# All Rust code is formatted as rustfmt.toml says.
set -euo pipefail
source ci/common.sh

need_component rustfmt
run cargo fmt --all --check
run cargo fmt --all --check --manifest-path guests/Cargo.toml
run cargo fmt --all --check --manifest-path fuzz/Cargo.toml
