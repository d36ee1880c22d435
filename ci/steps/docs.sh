#!/usr/bin/env bash
# The documentation of every platform builds without a broken link, private items included.
set -euo pipefail
source ci/common.sh

export RUSTDOCFLAGS="-D warnings"
workspace="--workspace --exclude selkie-benches --exclude round-trip --exclude selkie-tests"
# shellcheck disable=SC2086
run cargo doc --locked --quiet --no-deps $workspace
# shellcheck disable=SC2086
run cargo doc --locked --quiet --no-deps $workspace --document-private-items

# for_target TARGET ARGUMENT...: the pages that exist for another machine only.
for_target() {
    local target=$1
    shift
    need_target "$target"
    run cargo doc --locked --quiet --no-deps --target "$target" "$@"
}
for target in wasm32-wasip1 wasm32-wasip2; do
    for_target "$target" --package selkie --package selkie-wasi --document-private-items
    for_target "$target" --package selkie-wasi --no-default-features
done
for_target wasm32-unknown-unknown --package selkie-wasi --features waitable-set \
    --document-private-items
for_target thumbv7m-none-eabi --package selkie-core --package selkie-smoltcp \
    --features selkie-core/defmt,selkie-smoltcp/defmt
for_target thumbv7m-none-eabi --package selkie --no-default-features
for_target x86_64-unknown-freebsd --package selkie --package selkie-std
