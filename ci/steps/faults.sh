#!/usr/bin/env bash
# The echo server while its system calls fail, as strace makes them, on every backend of Linux.
set -euo pipefail
source ci/common.sh

[ "$(uname -s)" = Linux ] || not_run "strace exists on Linux only"
need strace strace
strace --output /dev/null true ||
    not_run "strace may not trace; in a container, allow it (docker run --cap-add SYS_PTRACE)"
SELKIE_STRACE=$(command -v strace)
export SELKIE_STRACE
say "$("$SELKIE_STRACE" --version | head -n 1)"
run cargo test --locked --package selkie-tests --test faults
