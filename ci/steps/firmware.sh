#!/usr/bin/env bash
# Firmware serves clients on emulated boards, within its budget of flash, RAM and stack.
set -euo pipefail
source ci/common.sh

have qemu-system-arm || have apt-get || not_run "qemu-system-arm is missing; please install it"
# What they recommend is for screens and sound, and ten times as large.
need qemu-system-arm --no-install-recommends qemu-system-arm
# Newer releases of Debian have it in a package of its own.
riscv=qemu-system-misc
! apt-cache show qemu-system-riscv >/dev/null 2>&1 || riscv=qemu-system-riscv
need qemu-system-riscv32 --no-install-recommends "$riscv"
need curl curl
need readelf binutils
need_target thumbv7m-none-eabi
need_target thumbv6m-none-eabi
need_target riscv32imac-unknown-none-elf
need_component clippy

# They are guests; cargo finds their target in the folder of the first.
export CARGO_TARGET_DIR="$guests_folder"
built="$CARGO_TARGET_DIR/thumbv7m-none-eabi/firmware"
root=$PWD
cd examples/firmware
run cargo clippy --locked --profile firmware --package firmware --package mps2 \
    --package embassy -- -D warnings
run cargo build --locked --profile firmware --package firmware --package embassy
run python3 check/budget.py "$built/echo" "$built/bare"
run python3 check/clients.py "$built/echo"
# The comparison is fair only if the firmware by hand does the same, as clients and the console see.
run python3 check/clients.py "$built/bare"
run python3 check/roundtrip.py "$built/echo" "$built/bare"
# The same service as a task for each connection: its adapter has a budget of its own.
run python3 check/growth.py "$built/echo" "$built/async_echo" 4316
run python3 check/clients.py "$built/async_echo"
run python3 check/services.py "$built"/{http,chat,async_frames,async_proxy,embassy}

# Another board is a crate outside of the workspace: drivers, and nothing else.
external=$(mktemp -d)
trap 'rm -rf "$external"' EXIT
run python3 check/external.py "$external" "$root/examples/mps2"
toolchain=$(rustup show active-toolchain | cut -d " " -f 1)
cd "$external"
run cargo "+$toolchain" build --offline --quiet --profile firmware
cd "$root/examples/firmware"
export SELKIE_MACHINE=mps2-an385
run python3 check/clients.py "$built/mps2_echo"
run python3 check/services.py "$built"/{mps2_http,mps2_chat}
unset SELKIE_MACHINE

# Sockets of the program's own: smoltcp has more features here.
run cargo clippy --locked --profile firmware --package dhcp -- -D warnings
run cargo build --locked --profile firmware --package dhcp
run python3 check/services.py "$built/dhcp"

# A UART, and no network.
cd "$root/examples/uart"
for board in "microbit thumbv6m-none-eabi" "virt riscv32imac-unknown-none-elf"; do
    read -r machine target <<<"$board"
    run cargo clippy --locked --profile firmware --target "$target" -- -D warnings
    run cargo build --locked --profile firmware --target "$target"
    run python3 check.py "$machine" "$CARGO_TARGET_DIR/$target/firmware/uart"
done
