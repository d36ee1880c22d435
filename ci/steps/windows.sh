#!/usr/bin/env bash
# The Windows backends conform and serve real clients, under Wine or on Windows itself.
set -euo pipefail
source ci/common.sh

# What Wine 8 shows otherwise than Windows, and so is not shown here. The conformance suite reports
# these cases as not applicable, with the reason:
# - a reset of Wine's own side arrives behind an end of the stream, which the peer takes for an
#   orderly end (resets of Linux's clients arrive, and are shown by the programs' tests);
# - a closed socket's number belongs to the next socket at once, which in a process of many tests is
#   that of another one;
# - signals do not interrupt waits, and files and pipes cannot be watched: Windows has neither.
target=x86_64-pc-windows-gnu
test_backends() {
    run cargo test --locked "$@" --package selkie-std --lib --tests
    run cargo test --locked "$@" --package selkie-tests --test allocations
}

case "$(uname -s)" in
    MINGW* | MSYS* | CYGWIN*)
        test_backends
        SELKIE_SOAK="${SELKIE_SOAK:-20}" run cargo test --locked --package selkie-tests \
            --test programs --test windows
        exit
        ;;
    Linux) ;;
    *) not_run "Wine is used on Linux only" ;;
esac
[ "$(uname -m)" = x86_64 ] || not_run "Wine runs programs for the processor that it is on"
have wine || have apt-get || not_run "'wine' is missing; please install wine64 and mingw-w64"
(need wine wine) || not_run "Wine could not be installed"
(need x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64) || not_run "mingw could not be installed"
need_component clippy
need_target "$target"

# Wine 8 has no ProcessPrng, which the standard library imports for its hash maps.
libraries="$target_folder/wine-libraries"
mkdir -p "$libraries"
printf '%s\n' '#include <windows.h>' '#include <ntsecapi.h>' \
    '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)' \
    '{ return RtlGenRandom(data, (ULONG)length); }' >"$libraries/prng.c"
run x86_64-w64-mingw32-gcc -shared -O1 -o "$libraries/bcryptprimitives.dll" "$libraries/prng.c" \
    -ladvapi32
export WINEPREFIX="$target_folder/wine" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
WINEPATH="Z:$(printf '%s' "$libraries" | tr / '\\')"
export WINEPATH CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=wine
mkdir -p "$WINEPREFIX"
timeout 120 wine wineboot --init >/dev/null 2>&1 || not_run "Wine makes no prefix in $WINEPREFIX"

run cargo clippy --locked --target "$target" --package selkie-std --all-targets -- -D warnings
examples=(--example echo --example http --example kv --example chat --example dns --example proxy)
run cargo clippy --locked --target "$target" --package selkie --lib "${examples[@]}" -- -D warnings
# Crates that compile C need the SDK of MSVC; these need only the standard library.
need_target x86_64-pc-windows-msvc
run cargo check --locked --target x86_64-pc-windows-msvc --package selkie-core \
    --package selkie-std --package selkie --lib

test_backends --target "$target"
run cargo build --locked --target "$target" --package selkie-tests --bins
export SELKIE_WINDOWS_PROGRAMS="$target_folder/$target/debug" SELKIE_SOAK="${SELKIE_SOAK:-20}"
run cargo test --locked --package selkie-tests --test programs --test windows
# Nothing of Wine outlives the step.
wine wineboot --kill >/dev/null 2>&1 || true
