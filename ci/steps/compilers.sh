#!/usr/bin/env bash
# The libraries and a component library build with the oldest, the pinned and the newest compiler.
set -euo pipefail
source ci/common.sh

# check_with TOOLCHAIN [FEATURES]: builds with the compiler `+NAME`. The imports of a component
# library are merged with those of std; release builds are the hard case.
check_with() {
    need_toolchain "${1#+}" ||
        not_run "rustup could not install Rust ${1#+}; check that it can reach its server"
    need_target wasm32-wasip2 "${1#+}"
    # shellcheck disable=SC2046
    run cargo "$1" check --locked --quiet --lib $(packages --libraries)
    run cargo "$1" build --locked --quiet --release "${guests[@]}" --lib \
        --package wasm-conformance --target wasm32-wasip2 ${2:+--features "$2"}
}

# Its linker cannot read the types of WASI 0.3.
check_with "+$(msrv)"
check_with "+$rust_version"
check_with "+$rust_version" waitable-set
check_with "+$newest_version"
check_with "+$newest_version" waitable-set
