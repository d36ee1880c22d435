#!/usr/bin/env bash
# The documentation builds without a broken link or a warning, private items included.
set -euo pipefail
source ci/common.sh

export RUSTDOCFLAGS="-D warnings"
run cargo doc --locked --workspace --no-deps
run cargo doc --locked --workspace --no-deps --document-private-items
