#!/usr/bin/env bash
# No dependency has a published security advisory. Downloads the advisory database.
set -euo pipefail
source ci/common.sh

need_tools
run cargo deny --workspace --locked fetch db || not_run "the advisory database cannot be downloaded"
run cargo deny --workspace --locked check --disable-fetch advisories
