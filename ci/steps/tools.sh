#!/usr/bin/env bash
# The program that later steps need and that has to be compiled is there: wasmi.
set -euo pipefail
source ci/common.sh

need_wasmi
