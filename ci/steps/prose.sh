#!/usr/bin/env bash
# Lines fit, function docs begin with a verb, words are plain, and what docs name exists.
set -euo pipefail
source ci/common.sh

need git git
run python3 ci/prose.py
