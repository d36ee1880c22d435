#!/usr/bin/env bash
# The programs that later steps need and that have to be compiled are there: defmt-print and wasmi.
set -euo pipefail
source ci/common.sh

need_defmt_print
need_wasmi
