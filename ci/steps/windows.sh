#!/usr/bin/env bash
# The Windows backends conform and serve real clients, under Wine or on Windows itself.
set -euo pipefail
source ci/common.sh

# One choice of packages for all: with another one cargo compiles their dependencies anew.
packages=(--package selkie-std --package selkie-tests --package selkie-benches)
targets=(--lib --test conformance --test allocations --test unsupported --bench afd)
logs="$target_folder/windows"
mkdir -p "$logs"
export SELKIE_SOAK="${SELKIE_SOAK:-20}"

# build OPTION...: compiles the tests, and with them the programs.
build() {
    echo "  \$ cargo test --locked --no-run $* ${packages[*]} ${targets[*]}"
    cargo test --locked --no-run "$@" "${packages[@]}" "${targets[@]}" 2>&1 | tee "$logs/build"
}

# built SOURCE: prints the path of a test, as `build` has told it.
built() {
    local path
    path=$(tr '\\' / <"$logs/build" | sed -n "s|.*Executable .*$1 (\(.*\))\$|\1|p")
    [ -f "$path" ] || fail "$1 was not built"
    printf '%s' "$path"
}

# test_backends [COMMAND]: all tests of the backends, with the number of threads that suits each:
# they wait more than they work.
test_backends() {
    run "$@" "$(built src/lib.rs)" --test-threads=4 || return
    run "$@" "$(built unsupported.rs)" --test-threads=4 || return
    run "$@" "$(built allocations/main.rs)" --test-threads=8 || return
    run "$@" "$(built afd.rs)" --calls || return
    # The number of a closed socket is that of the next one: these cases run alone.
    run "$@" "$(built conformance/main.rs)" --test-threads=1 broken an_error_is_returned || return
    run "$@" "$(built conformance/main.rs)" --test-threads=4 \
        --skip broken --skip an_error_is_returned
}

case "$(uname -s)" in
    MINGW* | MSYS* | CYGWIN*)
        build
        test_backends
        run cargo test --locked --package selkie-tests --test programs --test windows
        exit
        ;;
    Linux) ;;
    *) not_run "Wine is used on Linux only" ;;
esac
[ "$(uname -m)" = x86_64 ] || not_run "Wine runs programs for the processor that it is on"
have wine || have apt-get || not_run "'wine' is missing; please install wine64 and mingw-w64"
# What it recommends is for screens and sound, and for programs of 32 bits.
(need wine --no-install-recommends wine wine64) || not_run "Wine could not be installed"
(need x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64) || not_run "mingw could not be installed"

# Wine 8 has no ProcessPrng, which the standard library imports for its hash maps.
printf '%s\n' '#include <windows.h>' '#include <ntsecapi.h>' \
    '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)' \
    '{ return RtlGenRandom(data, (ULONG)length); }' >"$logs/prng.c"
run x86_64-w64-mingw32-gcc -shared -O1 -o "$logs/bcryptprimitives.dll" "$logs/prng.c" -ladvapi32
export WINEPREFIX="$target_folder/wine" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
WINEPATH="Z:$(printf '%s' "$logs" | tr / '\\')"
export WINEPATH
mkdir -p "$WINEPREFIX"
# Wine's server binds sockets for all programs: without the capability low ports are refused.
drop=()
if [ "$(id -u)" = 0 ] && have setpriv; then
    drop=(setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service)
fi
"${drop[@]}" wineserver --persistent >/dev/null 2>&1 </dev/null ||
    not_run "Wine's server cannot be started"
# Nothing of Wine outlives the step.
trap 'wineserver --kill >/dev/null 2>&1 || true' EXIT
[ "$(id -u)" = 0 ] && [ ${#drop[@]} = 0 ] || export SELKIE_WINDOWS_UNPRIVILEGED=1
timeout 240 wine wineboot --init >"$logs/wineboot" 2>&1 &
wineboot=$!

target=x86_64-pc-windows-gnu
need_component clippy
need_target "$target"
run cargo clippy --locked --target "$target" --package selkie "${packages[@]}" --lib --examples \
    --bins --tests --bench afd -- -D warnings
# Crates that compile C need the SDK of MSVC; these need only the standard library.
need_target x86_64-pc-windows-msvc
run cargo check --locked --target x86_64-pc-windows-msvc --package selkie-core \
    --package selkie-std --package selkie --lib
build --target "$target"
run cargo test --locked --no-run --package selkie-tests --test programs --test windows
wait "$wineboot" || not_run "Wine makes no prefix in $WINEPREFIX: $(cat "$logs/wineboot")"

started=$SECONDS
export SELKIE_WINDOWS_PROGRAMS="$target_folder/$target/debug"
run cargo test --locked --package selkie-tests --test programs --test windows
# One thread of Wine serves all its programs, so these wait until the clients have finished.
status=0
test_backends wine >"$logs/backends" 2>&1 || status=$?
grep -v -e ' \.\.\. ok$' -e 'not applicable' "$logs/backends"
say "the tests took $((SECONDS - started)) seconds"
[ "$status" = 0 ] || fail "a test of the backends failed"
run python3 ci/wine_skipped.py ci/wine-skipped.txt "$logs/backends"
