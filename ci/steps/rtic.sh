#!/usr/bin/env bash
# The echo server in the hardware tasks of RTIC 2 serves clients on an emulated board.
set -euo pipefail
source ci/common.sh

have qemu-system-arm || not_run "qemu-system-arm is missing; the step 'firmware' installs it"
need_target thumbv7m-none-eabi
need_component clippy
need readelf binutils

export CARGO_TARGET_DIR="$guests_folder"
cd examples/firmware
run cargo clippy --locked --profile firmware --package rtic-echo -- -D warnings
run cargo build --locked --profile firmware --package rtic-echo
run python3 check/services.py "$CARGO_TARGET_DIR/thumbv7m-none-eabi/firmware/rtic_echo"
