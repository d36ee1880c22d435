#!/usr/bin/env bash
# Miri finds no undefined behaviour where there is unsafe code: in backends, and around futures.
set -euo pipefail
source ci/common.sh

need_nightly miri rust-src ||
    not_run "rustup could not install $nightly with Miri; check that it can reach its server"
# Core has no unsafe code. Of the native backends these tests need no system call that Miri lacks.
run cargo "+$nightly" miri test --locked --quiet --package selkie-std --lib -- \
    bitmaps event_buffer socket_table storage sys::address sys::errno
# Tasks leave their slots on the heap for good. On one of the three kinds of platform.
export MIRIFLAGS="-Zmiri-ignore-leaks"
run cargo "+$nightly" miri test --locked --quiet --package selkie-async --lib --test tasks -- \
    --skip with_the_platforms_buffers --skip and_reading_on
# These tests lend memory that they leak on purpose. The table that is tried 20,000 times takes
# minutes here, and has no unsafe code of its own.
run cargo "+$nightly" miri test --locked --quiet --package selkie-wasi --lib -- \
    --skip in_the_long_run
