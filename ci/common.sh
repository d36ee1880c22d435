# What the steps share: the pinned compiler, and the functions that install what is missing.
# Sourced, never run. Searches of a rustup list print to /dev/null: `grep -q` leaves early, and
# rustup complains of a broken pipe. It keeps to what bash 3.2 knows, because that is the bash of
# macOS.
# shellcheck shell=bash

# The compiler that CI judges with. Newer ones bring new lints, which should arrive in a commit of
# their own.
rust_version=1.95.0
# The newest one that everything is known to build with: the step 'compilers'.
newest_version=1.99.1
# For the tools that only nightly compilers have, where none is installed.
nightly_version="nightly-2026-05-20"

target_folder="${CARGO_TARGET_DIR:-target}"
case "$target_folder" in /*) ;; *) target_folder="$PWD/$target_folder" ;; esac
# The programs for other machines are a workspace of their own.
guests_folder="$target_folder/guests"
# shellcheck disable=SC2034
guests=(--manifest-path guests/Cargo.toml --target-dir "$guests_folder")
tools_folder="$target_folder/tools"
programs_folder="$target_folder/programs"
export PATH="$tools_folder/bin:$programs_folder/bin:$PATH"
export CARGO_TERM_PROGRESS_WHEN=never
# Output is for a log; a backtrace in it is worth its length.
export RUST_BACKTRACE=1
# Python leaves no files beside the sources; the tools go into the target folder, where it does not
# matter who runs pip.
export PYTHONDONTWRITEBYTECODE=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
# One pass over a fresh clone: what incremental builds write would never be read.
[ "${CI-}" != true ] || export CARGO_INCREMENTAL=0

say() { echo "    $*"; }
run() { echo "  \$ $*" && "$@"; }
fail() { echo "error: $*" >&2 && exit 1; }
# The machine cannot run this step; the arguments say why and what to do about it.
not_run() { echo "not run: $*" && exit 77; }
have() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND [OPTION...] PACKAGE...: installs the Debian packages that hold a command, where the
# command is missing. Options are those of `apt-get install`.
need() {
    local command=$1
    shift
    have "$command" && return
    have apt-get || fail "'$command' is missing; please install it"
    say "installing $*, because '$command' is missing"
    locked "$target_folder/apt.lock" install_packages "$@" || fail "apt-get could not install $*"
}
install_packages() {
    local as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    # Another program may be installing something, too.
    {
        $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive \
            $as_root apt-get install -qy -o DPkg::Lock::Timeout=300 "$@"
    } >/dev/null
}

# alone COMMAND...: runs a command that uses rustup, and no other such command of this user at the
# same time: two installations at once leave each other half done. What the command finds installed
# is true until it ends.
alone() { locked "${RUSTUP_HOME:-$HOME/.rustup}/selkie.lock" "$@"; }

# locked LOCK COMMAND...: runs a command while no other step runs one with this lock. `flock` is no
# program of macOS, so a folder is the lock.
locked() {
    local lock=$1 holder waited=0 status=0
    shift
    mkdir -p "$(dirname "$lock")"
    until mkdir "$lock" 2>/dev/null; do
        holder=$(cat "$lock/process" 2>/dev/null || true)
        # The holder was killed, or was so before it could write who it is.
        if [ "$waited" -ge 900 ] || { [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; }; then
            mv "$lock" "$lock.$$" 2>/dev/null && rm -rf "$lock.$$"
            continue
        fi
        sleep 1
        waited=$((waited + 1))
    done
    echo $$ >"$lock/process"
    "$@" || status=$?
    rm -rf "$lock"
    return $status
}

# All that follows runs on `rust_version`: the default compiler where it is that one, else the
# toolchain of that name.
use_pinned_rust() {
    need cc gcc
    need python3 python3
    have rustup || fail "rustup is missing; see https://rustup.rs"
    # The first call of `rustc` may install what rust-toolchain.toml asks for.
    alone rustc --version >/dev/null 2>&1 || true
    if ! rustc --version 2>/dev/null | grep "^rustc $rust_version " >/dev/null; then
        need_toolchain "$rust_version" || fail "rustup could not install Rust $rust_version"
        export RUSTUP_TOOLCHAIN="$rust_version"
    fi
    say "$(rustc --version), $(uname -sm)," \
        "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo some) cores"
}

# need_toolchain NAME [COMPONENT...]: installs what is missing. Fails if that is not possible.
need_toolchain() { alone install_toolchain "$@"; }
install_toolchain() {
    local name=$1 components="" component
    shift
    for component in "$@"; do components="$components --component $component"; done
    if rustup run "$name" rustc --version >/dev/null 2>&1 && [ -z "$components" ]; then return; fi
    # shellcheck disable=SC2086
    rustup toolchain install "$name" --profile minimal --no-self-update $components
}

# need_nightly [COMPONENT...]: puts the name of a nightly compiler with these components into
# `nightly`: one that is installed, or else that of `nightly_version`, which is then installed.
need_nightly() {
    local component
    nightly=nightly
    rustup run nightly rustc --version >/dev/null 2>&1 || nightly="$nightly_version"
    for component in "$@"; do
        rustup component list --installed --toolchain nightly 2>/dev/null |
            grep "^$component" >/dev/null || nightly="$nightly_version"
    done
    [ "$nightly" = nightly ] || need_toolchain "$nightly" "$@"
}

need_component() { alone install_component "$1"; }
install_component() {
    rustup component list --installed | grep "^$1" >/dev/null || run rustup component add "$1"
}

# need_target TARGET [TOOLCHAIN]: installs a target for the compiler that judges, or for another.
need_target() { alone install_target "$@"; }
install_target() {
    rustup target list --installed ${2:+--toolchain "$2"} | grep -x "$1" >/dev/null ||
        run rustup target add ${2:+--toolchain "$2"} "$1"
}

# Puts the cargo tools of ci/tools.txt into the target folder, so that nothing outside of the
# project changes.
need_tools() { locked "$target_folder/tools.lock" install_tools; }
install_tools() {
    cmp -s ci/tools.txt "$tools_folder/installed.txt" && return
    say "installing the tools of ci/tools.txt into $tools_folder"
    rm -rf "$tools_folder"
    mkdir -p "$tools_folder"
    python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
        --target "$tools_folder" --requirement ci/tools.txt || build_tools || return
    cp ci/tools.txt "$tools_folder/installed.txt"
}

# The same versions from source, where there is no pip or no wheel for this machine.
build_tools() {
    say "no wheels for this machine: building the tools from source, which takes minutes"
    sed -n 's/^astral-dev-toolchain-\([a-z-]*\)==\([0-9.]*\).*/\1@\2/p' ci/tools.txt | while read -r tool; do
        run cargo install --locked --quiet --root "$tools_folder" \
            --target-dir "$target_folder/tools-build" "$tool" </dev/null || return
    done
}

# need_program COMMAND PACKAGE VERSION [OPTION...]: compiles a program of that version into the
# target folder, where it is missing. Options are those of `cargo install`.
#
# Nothing here needs it to be fast, so it is compiled without optimisation, which takes a third less
# time than a little. Of two steps that want the same program at once, cargo lets one wait.
need_program() {
    local command=$1 package=$2 version=$3
    shift 3
    "$command" --version 2>/dev/null | grep "$version" >/dev/null && return
    say "compiling $package $version, which takes some minutes the first time"
    run env CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --locked --quiet \
        --root "$programs_folder" --target-dir "$target_folder/tools-build" "$package@$version" "$@"
}

# An interpreter of WebAssembly, with WASI 0.1. Its loop is optimised: guests run in it.
need_wasmi() {
    need_program wasmi wasmi_cli 2.0.0 --no-default-features \
        --features stable,run,wasi,auto-dispatch \
        --config profile.release.package.wasmi.opt-level=1
}

# The lowest compiler version that the crates promise to build with.
msrv() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

# packages [--libraries | FOLDER...]: the workspace's packages, those with a library, or those in
# these folders (as far as they exist), as `--package` arguments.
packages() { python3 ci/workspace.py "$@" | sed 's/^/--package=/'; }

have_libkqueue() { have pkg-config && pkg-config --exists libkqueue; }

# test_sanitized SANITIZER: the native tests under a sanitizer of the nightly compiler. The standard
# library is compiled with it, too: what it does with memory and threads is part of the picture.
test_sanitized() {
    local host
    need_nightly rust-src ||
        not_run "rustup could not install $nightly; check that it can reach its server"
    host=$(rustc -vV | sed -n 's/^host: //p')
    # A sanitizer takes memory of its own, so the bound of the server's is not judged.
    export RUSTFLAGS="-Zsanitizer=$1 -Cunsafe-allow-abi-mismatch=sanitizer"
    export CARGO_TARGET_DIR="$target_folder/sanitized-$1" CARGO_PROFILE_DEV_DEBUG=line-tables-only
    run cargo "+$nightly" test --locked --quiet -Zbuild-std --target "$host" \
        --package selkie-std --lib --tests
    run cargo "+$nightly" test --locked --quiet -Zbuild-std --target "$host" \
        --package selkie-tests --test allocations --test echo -- --skip bounded_memory
}
