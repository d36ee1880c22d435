#!/usr/bin/env bash
# The simulation bites: each bug of simulation/planted, put into a copy of the project, breaks a rule within the stated seeds.
set -euo pipefail
source ci/common.sh

run ci/planted-bugs
