#!/usr/bin/env bash
# Dependencies come from crates.io, under licences that deny.toml allows, without wildcards.
set -euo pipefail
source ci/common.sh

need_tools
run cargo deny --workspace --locked check licenses bans sources
