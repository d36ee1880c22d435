#!/usr/bin/env bash
# The simulation bites: each bug of simulation/planted breaks a rule within the stated seeds.
set -euo pipefail
source ci/common.sh

run ci/planted-bugs
