#!/usr/bin/env bash
# Nothing from outside makes anything panic or breaks a rule: each fuzz target, for a few seconds.
set -euo pipefail
source ci/common.sh

# `ci/fuzz` sets these.
seconds="${SELKIE_FUZZ_SECONDS:-15}"
# A fixed seed, so that this step judges a change and not chance: in a fresh folder each run begins
# with the same inputs, and time decides how many it gets to. The seed 0 draws others each time.
seed="${SELKIE_FUZZ_SEED:-1}"
targets="${SELKIE_FUZZ_TARGETS:-registry timers event_loop server wasi smoltcp http kv}"

# shellcheck disable=SC2119
need_nightly || not_run "rustup could not install $nightly; check that it can reach its server"
need_tools
need_component clippy
RUSTFLAGS="--cfg fuzzing" run cargo clippy --locked --quiet --manifest-path fuzz/Cargo.toml \
    --workspace --all-targets --target-dir "$target_folder/fuzz-lint" -- -D warnings
# What a host must not be able to do, where it takes one certain host to try it.
RUSTFLAGS="--cfg fuzzing" run cargo test --locked --quiet --manifest-path fuzz/Cargo.toml \
    --package wasi-guest --target-dir "$target_folder/fuzz-lint"

# What is fuzzed is free of unsafe code, except that the WASI backends call a host: a sanitizer of
# memory would find nothing, and take its time.
folder="$target_folder/fuzz"
options="--sanitizer none --codegen-units 16 --target-dir $folder"
# shellcheck disable=SC2086
run cargo "+$nightly" fuzz build $options

for target in $targets; do
    # What is found on the way is built upon by the next run, but it does not belong to the sources.
    found="$folder/found/$target"
    log="$folder/$target.log"
    mkdir -p "$found" "$folder/artifacts"
    status=0
    # shellcheck disable=SC2086
    cargo "+$nightly" fuzz run $options "$target" "$found" "fuzz/corpus/$target" -- \
        -artifact_prefix="$folder/artifacts/$target-" -seed="$seed" \
        -max_total_time="$seconds" -max_len=2000 \
        -len_control=0 -timeout=60 -print_final_stats=1 >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        grep -v '^#' "$log" | tail -n 60
        fail "the fuzz target '$target' has found something; the whole log is $log"
    fi
    say "$target: $(sed -n 's/^Done \(.*\) runs in \(.*\) second.*/\1 runs, \2 seconds/p' "$log")"
done
