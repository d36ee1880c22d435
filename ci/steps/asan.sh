#!/usr/bin/env bash
# AddressSanitizer finds nothing in the native backends' tests and in the echo server.
set -euo pipefail
source ci/common.sh

test_sanitized address
