#!/usr/bin/env bash
# Every combination of features compiles and is clean of lints.
set -euo pipefail
source ci/common.sh

need_tools
need_component clippy
# `default` is another name for features that are tried by their own.
skip=default
# That feature links a system library, and its build fails where the library is missing.
have_libkqueue || skip="$skip,libkqueue"
run cargo hack clippy --locked --workspace --exclude selkie-benches --exclude selkie-tests \
    --exclude round-trip --feature-powerset --exclude-features "$skip" -- -D warnings
