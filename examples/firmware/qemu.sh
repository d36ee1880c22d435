#!/usr/bin/env bash
# Runs a firmware in QEMU: `cargo run --profile firmware` calls this with the ELF.
#
#   TCP     port 7 of the board (or SELKIE_BOARD_PORT) is ports 7000 to 7003 of 127.0.0.1 (or the
#           list in SELKIE_PORTS): the emulated network takes one new connection at a time on each
#   address SELKIE_BOARD_ADDRESS is that of the board, where it is not 10.0.2.15
#   network cut off from the host but for that; SELKIE_NETWORK, in QEMU's words, changes it
#   UART    standard input and output (or SELKIE_SERIAL, in QEMU's words): type `stats`, or `drain`
#           to end it
#   monitor SELKIE_MONITOR is where QEMU takes commands, in its words; its network is `network`
#   board   SELKIE_MACHINE is QEMU's name of it: lm3s6965evb, if it is not set
#   log     decoded to text on standard error; with SELKIE_LOG=FILE the defmt frames go there as
#           they are
set -euo pipefail

elf=$1
forwards=""
for port in ${SELKIE_PORTS-7000 7001 7002 7003}; do
    board="${SELKIE_BOARD_ADDRESS-10.0.2.15}:${SELKIE_BOARD_PORT-7}"
    forwards="$forwards,hostfwd=tcp:127.0.0.1:$port-$board"
done

folder=$(mktemp -d)
helpers=""
# shellcheck disable=SC2317
clean_up() {
    # shellcheck disable=SC2086
    [ -z "$helpers" ] || kill $helpers 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT

serial=${SELKIE_SERIAL-}
if [ -z "$serial" ]; then
    mkfifo "$folder/uart.in" "$folder/uart.out"
    exec 3<&0
    cat <&3 >"$folder/uart.in" &
    helpers="$!"
    cat <"$folder/uart.out" &
    helpers="$helpers $!"
    serial="pipe:$folder/uart"
fi

log=${SELKIE_LOG-}
decoder=""
if [ -z "$log" ]; then
    log=$folder/log
    mkfifo "$log"
    python3 "$(dirname "$0")/check/log.py" "$elf" <"$log" >&2 &
    decoder=$!
fi

# QEMU's network looks at a new client's socket when something else wakes it, which can take half a
# second: not every emulated controller says that it has taken a frame. So a timer of 2 ms wakes it:
# that of a filter between two hubs without anything else.
beat="-netdev hubport,id=beat,hubid=1 -netdev hubport,id=end,hubid=2,netdev=beat"
beat="$beat -object filter-buffer,id=timer,netdev=beat,interval=2000"

# The log leaves the board through semihosting, which is QEMU's standard output.
status=0
# shellcheck disable=SC2086
qemu-system-arm -M "${SELKIE_MACHINE-lm3s6965evb}" -display none -serial "$serial" \
    -monitor "${SELKIE_MONITOR-none}" -semihosting-config enable=on,target=native \
    -nic "user,id=network,${SELKIE_NETWORK-restrict=on}$forwards" \
    $beat -kernel "$elf" >"$log" || status=$?
# The end of the log was written by now; it is decoded to the end before this script ends.
[ -z "$decoder" ] || wait "$decoder" || true
exit "$status"
