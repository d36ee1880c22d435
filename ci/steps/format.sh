#!/usr/bin/env bash
# All Rust code is formatted as rustfmt.toml says.
set -euo pipefail
source ci/common.sh

need_component rustfmt
run cargo fmt --all --check
