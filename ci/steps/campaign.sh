#!/usr/bin/env bash
# A minute of fresh seeds of the simulation breaks no rule.
set -euo pipefail
source ci/common.sh

run cargo run --locked --release -p selkie-simulation --example seeds -- \
    --count 1000000 --seconds 60
