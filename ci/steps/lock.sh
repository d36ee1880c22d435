#!/usr/bin/env bash
# Cargo.lock is complete, so that every build below is of the versions that are committed.
set -euo pipefail
source ci/common.sh

run cargo fetch --locked
