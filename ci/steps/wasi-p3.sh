#!/usr/bin/env bash
# The echo server and the conformance suite as components for WASI 0.3, on two runtimes.
set -euo pipefail
source ci/common.sh
source ci/components.sh

case "$(uname -sm)" in
    "Linux x86_64") ;;
    *) not_run "the runtimes are pinned for Linux on x86_64; add others to ci/wasmtime-*.txt" ;;
esac
need wasm-opt binaryen
need_component clippy
need_target wasm32-unknown-unknown
run cargo clippy --locked --package selkie-wasi --features waitable-set \
    --target wasm32-unknown-unknown -- -D warnings
run cargo clippy --locked --quiet "${guests[@]}" --package wasm-guest --package echo-p3 \
    --package suite-p3 --target wasm32-unknown-unknown -- -D warnings
run cargo clippy --locked --quiet "${guests[@]}" --package suite-p3 --all-targets -- -D warnings

run ci/build-p3
at_most 27859 "$components_folder/echo-p3.wasm"
build_component tests/wasm-p3 suite-p3 suite suite "$components_folder/suite-p3.wasm"
export SELKIE_ECHO="$components_folder/echo-p3.wasm" SELKIE_SUITE="$components_folder/suite-p3.wasm"
for version in 48 49; do
    need_wheel "wasmtime-$version"
    SELKIE_WASMTIME="$(wasmtime_program "$version")"
    export SELKIE_WASMTIME
    say "$("$SELKIE_WASMTIME" --version)"
    run cargo test --locked --quiet "${guests[@]}" --package suite-p3
done
