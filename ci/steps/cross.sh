#!/usr/bin/env bash
# Clippy finds nothing in the native backends, their tests and the examples for other systems.
set -euo pipefail
source ci/common.sh

need_component clippy
for target in x86_64-unknown-freebsd x86_64-unknown-netbsd aarch64-apple-darwin; do
    need_target "$target"
    # shellcheck disable=SC2046
    run cargo clippy --locked $(packages std-backends conformance tests .) --all-targets \
        --target "$target" -- -D warnings
done
