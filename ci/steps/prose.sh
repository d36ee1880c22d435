#!/usr/bin/env bash
# Lines fit, function docs begin with a verb, words are plain, and what docs name exists.
set -euo pipefail
source ci/common.sh

need git git
# Findings of each rule may only become fewer: lower ci/prose-limits.txt along with them.
run python3 ci/prose.py --limits ci/prose-limits.txt
