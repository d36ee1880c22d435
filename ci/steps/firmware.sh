#!/usr/bin/env bash
# The firmware serves clients on an emulated board, and takes no more flash, RAM and stack than its budget allows.
set -euo pipefail
source ci/common.sh

need_qemu() {
    have qemu-system-arm && return
    have apt-get || not_run "qemu-system-arm is missing; please install it"
    local as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    say "installing qemu-system-arm, because it is missing"
    {
        $as_root apt-get update -q
        # What it recommends is for screens and sound, and ten times as large.
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qy --no-install-recommends qemu-system-arm
    } >/dev/null || fail "apt-get could not install qemu-system-arm"
}

need_qemu
need readelf binutils
need_target thumbv7m-none-eabi
need_component clippy
need_component rustfmt
need_defmt_print

# It is a workspace of its own, with a target and a profile of its own.
export CARGO_TARGET_DIR="$target_folder/firmware"
release="$CARGO_TARGET_DIR/thumbv7m-none-eabi/release"
cd examples/firmware
run cargo fmt --check
run cargo clippy --locked --release -- -D warnings
run cargo build --locked --release
run python3 check/budget.py "$release/echo" "$release/bare"
run python3 check/clients.py "$release/echo"
# The comparison is fair only if the firmware by hand does the same, as far as clients and the console see.
run python3 check/clients.py "$release/bare"
run python3 check/roundtrip.py "$release/echo" "$release/bare"
