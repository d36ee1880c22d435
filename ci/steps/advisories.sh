#!/usr/bin/env bash
# No dependency has a published security advisory. Downloads the advisory database.
set -euo pipefail
source ci/common.sh

need_tools
run cargo deny --workspace --locked check advisories
