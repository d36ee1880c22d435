#!/usr/bin/env bash
# ThreadSanitizer finds no data race in the native backends' tests and in the echo server.
set -euo pipefail
source ci/common.sh

test_sanitized thread
