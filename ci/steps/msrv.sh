#!/usr/bin/env bash
# The libraries build with the oldest compiler that Cargo.toml promises, at the locked versions.
set -euo pipefail
source ci/common.sh

version=$(msrv)
need_toolchain "$version" ||
    not_run "rustup could not install Rust $version; check that it can reach its server"
# shellcheck disable=SC2046
run cargo "+$version" check --locked --lib $(packages --libraries)
