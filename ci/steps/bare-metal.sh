#!/usr/bin/env bash
# Core, the conformance suite, the services and the bare facade build without a standard library, for two such targets.
set -euo pipefail
source ci/common.sh

for target in thumbv7m-none-eabi wasm32-unknown-unknown; do
    need_target "$target"
    for features in "" selkie-core/defmt; do
        # shellcheck disable=SC2046
        run cargo build --locked $(packages core conformance examples/services .) --no-default-features \
            --features "$features" --target "$target"
    done
done
