#!/usr/bin/env bash
# The kqueue backend on Linux: the native backends' tests, with libkqueue in place of a kernel's.
set -euo pipefail
source ci/common.sh

have_libkqueue || not_run "pkg-config finds no libkqueue, and no package registry carries it. To" \
    "run this step, build and install the public repository mheily/libkqueue (cmake, then make" \
    "install), and set PKG_CONFIG_PATH to the folder of its libkqueue.pc"
# The library may lie in a folder of its own, where the loader would not look.
library_folder=$(pkg-config --variable=libdir libkqueue)
export LD_LIBRARY_PATH="$library_folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
run cargo test --locked --package selkie-std --features libkqueue
