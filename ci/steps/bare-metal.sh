#!/usr/bin/env bash
# Core, tasks, smoltcp and the services build for microcontrollers and bare WebAssembly.
set -euo pipefail
source ci/common.sh

# Nothing of it runs here.
export CARGO_PROFILE_DEV_DEBUG=0
# From no compare-and-swap (thumbv6m) to an FPU (thumbv7em), and another architecture.
for target in thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabi \
    riscv32imac-unknown-none-elf wasm32-unknown-unknown; do
    need_target "$target"
    for features in "" selkie-core/defmt; do
        # shellcheck disable=SC2046
        run cargo build --locked $(packages core async conformance examples/services .) \
            --no-default-features --features "$features" --target "$target"
    done
    # Tests of layout, which the compiler runs.
    run cargo build --locked --package selkie-smoltcp --example layout --target "$target"
done
