#!/usr/bin/env bash
# Miri finds no undefined behaviour and no leak in core's tests, with fewer cases for each property.
set -euo pipefail
source ci/common.sh

need_nightly miri rust-src || not_run "rustup could not install $nightly with Miri; check that it can reach its server"
# Without isolation proptest may look for its regression files.
export MIRIFLAGS="-Zmiri-disable-isolation"
# Miri is hundreds of times slower: what the full number of random cases shows, the step 'test' shows.
export PROPTEST_CASES="${PROPTEST_CASES:-8}"
# The properties are left to the step 'test': one case takes a minute here, and reaches nothing that these do not.
run cargo "+$nightly" miri test --locked --package selkie-core --lib --test platforms --test server
