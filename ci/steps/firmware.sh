#!/usr/bin/env bash
# Firmware serves clients on emulated boards, within its budget of flash, RAM and stack.
set -euo pipefail
source ci/common.sh

have qemu-system-arm || have apt-get || not_run "qemu-system-arm is missing; please install it"
# What they recommend is for screens and sound, and ten times as large.
need qemu-system-arm --no-install-recommends qemu-system-arm
# Newer releases of Debian have it in a package of its own.
package=qemu-system-misc
! apt-cache show qemu-system-riscv >/dev/null 2>&1 || package=qemu-system-riscv
need qemu-system-riscv32 --no-install-recommends "$package"
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
records=$(mktemp -d)
count=0
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$records"' EXIT

# beside COMMAND...: starts a check of boards, which wait for most of the time, beside what follows.
beside() {
    count=$((count + 1))
    echo "  \$ $* (beside what follows)" | tee "$records/$count.log"
    "$@" >>"$records/$count.log" 2>&1 &
    echo $! >"$records/$count.pid"
}

# finish: waits for the checks that were started, prints what they print, and fails if one does.
finish() {
    local number failed=0
    for number in $(seq "$count"); do
        wait "$(cat "$records/$number.pid")" || failed=1
        cat "$records/$number.log"
    done
    [ "$failed" = 0 ] || fail "a check of a board has failed"
}

# Once for all: smoltcp has more features here than it has in the firmware alone.
cd examples/firmware
run cargo clippy --locked --profile firmware --package firmware --package mps2 \
    --package embassy --package dhcp -- -D warnings
run cargo build --locked --profile firmware --package firmware
run python3 check/budget.py "$built/echo" "$built/bare"
# The same service as a task for each connection: its adapter has a budget of its own.
run python3 check/growth.py "$built/echo" "$built/async_echo" 4096
run python3 check/roundtrip.py "$built/echo" "$built/bare"
# The comparison is fair only if the firmware by hand does the same, as clients and the console see.
for elf in echo bare async_echo; do
    beside python3 check/clients.py "$built/$elf"
done
beside python3 check/services.py "$built"/{smallest,http,chat,async_frames,async_proxy}

# Another board is a crate outside of the workspace: drivers, and nothing else.
mkdir "$records/external"
run python3 check/external.py "$records/external" "$root/examples/mps2"
toolchain=$(rustup show active-toolchain | cut -d " " -f 1)
cd "$records/external"
run cargo "+$toolchain" build --offline --quiet --profile firmware
cd "$root/examples/firmware"
export SELKIE_MACHINE=mps2-an385
beside python3 check/clients.py "$built/mps2_echo"
beside python3 check/services.py "$built"/{mps2_http,mps2_chat}
unset SELKIE_MACHINE

# An executor of others, and sockets of the program's own.
run cargo build --locked --profile firmware --package embassy --package dhcp
beside python3 check/services.py "$built"/{embassy,dhcp}

# A UART, and no network.
cd "$root/examples/uart"
arm=thumbv6m-none-eabi riscv=riscv32imac-unknown-none-elf
run cargo clippy --locked --profile firmware --target $arm --target $riscv -- -D warnings
run cargo build --locked --profile firmware --target $arm --target $riscv
run python3 check.py microbit "$CARGO_TARGET_DIR/$arm/firmware/uart"
run python3 check.py virt "$CARGO_TARGET_DIR/$riscv/firmware/uart"
finish
