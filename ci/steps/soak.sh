#!/usr/bin/env bash
# The echo server at its capacity while clients of all kinds come and go ends where it began.
set -euo pipefail
source ci/common.sh

[ "$(uname -s)" = Linux ] || not_run "what the server takes is read from /proc, as Linux has it"
# Seconds; on all backends at once.
export SELKIE_SOAK="${SELKIE_SOAK:-20}"
run cargo test --locked --package selkie-tests --test soak -- --nocapture --test-threads=3
