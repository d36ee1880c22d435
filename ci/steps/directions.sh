#!/usr/bin/env bash
# Imports run one way: mains -> services -> core <- backends.
set -euo pipefail
source ci/common.sh

run python3 ci/directions.py
