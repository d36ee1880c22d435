#!/usr/bin/env bash
# The firmware serves clients on an emulated board, within its budget of flash, RAM and stack.
set -euo pipefail
source ci/common.sh

have qemu-system-arm || have apt-get || not_run "qemu-system-arm is missing; please install it"
# What it recommends is for screens and sound, and ten times as large.
need qemu-system-arm --no-install-recommends qemu-system-arm
need readelf binutils
need_target thumbv7m-none-eabi
need_component clippy
need_defmt_print

# It is one of the guests; cargo finds its target and its linker's options in its folder.
export CARGO_TARGET_DIR="$guests_folder"
built="$CARGO_TARGET_DIR/thumbv7m-none-eabi/firmware"
cd examples/firmware
run cargo clippy --locked --profile firmware -- -D warnings
run cargo build --locked --profile firmware
run python3 check/budget.py "$built/echo" "$built/bare"
run python3 check/clients.py "$built/echo"
# The comparison is fair only if the firmware by hand does the same, as clients and the console see.
run python3 check/clients.py "$built/bare"
run python3 check/roundtrip.py "$built/echo" "$built/bare"
# The same service as a task for each connection: its adapter has a budget of its own.
cp "$built/echo" "$built/service"
run cargo clippy --locked --profile firmware --features tasks -- -D warnings
run cargo build --locked --profile firmware --features tasks --bin echo
run python3 check/growth.py "$built/service" "$built/echo" 4316
run python3 check/clients.py "$built/echo"
# Another board shares all but the drivers.
run cargo clippy --locked --profile firmware --features mps2-an385 -- -D warnings
run cargo build --locked --profile firmware --features mps2-an385 --bin echo
run env SELKIE_MACHINE=mps2-an385 python3 check/clients.py "$built/echo"
