#!/usr/bin/env bash
# The echo server and the conformance suite run as components for WASI 0.3, on the oldest and the newest runtime.
set -euo pipefail
source ci/common.sh
source ci/components.sh

case "$(uname -sm)" in
    "Linux x86_64") ;;
    *) not_run "the runtimes are pinned as files for Linux on x86_64; add those for this machine to ci/wasmtime-*.txt" ;;
esac
need wasm-opt binaryen
need_component clippy
need_target wasm32-unknown-unknown
run cargo clippy --locked --package selkie-wasi --features waitable-set --target wasm32-unknown-unknown -- -D warnings
for folder in examples/wasm-p3 tests/wasm-p3; do
    run cargo fmt --manifest-path "$folder/Cargo.toml" --check
    run cargo clippy --locked --quiet --target-dir "$target_folder" --manifest-path "$folder/Cargo.toml" \
        --target wasm32-unknown-unknown -- -D warnings
done
run cargo clippy --locked --quiet --target-dir "$target_folder" --manifest-path tests/wasm-p3/Cargo.toml --all-targets \
    -- -D warnings

run ci/build-p3
at_most 24576 "$components_folder/echo-p3.wasm"
build_component tests/wasm-p3 suite_p3 suite "$components_folder/suite-p3.wasm"
export SELKIE_ECHO="$components_folder/echo-p3.wasm" SELKIE_SUITE="$components_folder/suite-p3.wasm"
for version in 48 49; do
    need_wheel "wasmtime-$version"
    SELKIE_WASMTIME="$(wasmtime_program "$version")"
    export SELKIE_WASMTIME
    say "$("$SELKIE_WASMTIME" --version)"
    run cargo test --locked --quiet --target-dir "$target_folder" --manifest-path tests/wasm-p3/Cargo.toml
done
