#!/usr/bin/env bash
# The service in deploy/ is one static binary; its units and manifests are valid.
set -euo pipefail
source ci/common.sh

# Pinned, as a newer version validates against newer schemas.
validator=kubernetes-validate==1.37.0

need python3 python3
environment="$target_folder/tools/kubernetes"
if [ ! -x "$environment/bin/kubernetes-validate" ]; then
    python3 -m venv "$environment" || not_run "python3 has no module venv (Debian: python3-venv)"
    run "$environment/bin/pip" install --quiet "$validator"
fi
run "$environment/bin/kubernetes-validate" --strict --quiet deploy/kubernetes.yaml

# Without a dynamic loader, for an image with nothing else in it.
if [ "$(uname -sm)" = "Linux x86_64" ]; then
    target=x86_64-unknown-linux-gnu
    RUSTFLAGS="-C target-feature=+crt-static" run cargo build --locked --quiet --release \
        --package selkie-deploy --target "$target" --target-dir "$target_folder/static"
    binary="$target_folder/static/$target/release/selkie-http"
    if readelf --program-headers "$binary" | grep -q INTERP; then
        fail "$binary needs a dynamic loader"
    fi
    run "$binary" --version >/dev/null
    say "$binary: $(wc -c <"$binary") bytes, static"

    # The image, out of nothing: no registry is asked. It serves in an empty root, as a user that
    # the image has no name for, and drains.
    if have buildah && [ "$(id -u)" = 0 ] && probe=$(buildah from scratch 2>/dev/null); then
        buildah rm "$probe" >/dev/null
        context=$(mktemp -d)
        mkdir -p "$context/target/$target/release"
        cp "$binary" "$context/target/$target/release/"
        run buildah bud --isolation chroot --quiet --file deploy/Containerfile \
            --tag selkie-http-step "$context"
        container=$(buildah from selkie-http-step)
        root=$(buildah mount "$container")
        chroot --userspec=65534:65534 "$root" /selkie-http 127.0.0.1:0 >"$context/output" &
        server=$!
        for _ in $(seq 600); do
            address=$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' "$context/output")
            [ -z "$address" ] || break
            sleep 0.1
        done
        reply=$(curl --silent --show-error --max-time 10 "http://$address/ready") || reply=""
        kill -TERM "$server"
        wait "$server" || fail "the container ended with $?"
        buildah rm "$container" >/dev/null
        buildah rmi selkie-http-step >/dev/null
        rm -rf "$context"
        [ "$reply" = ready ] || fail "the container answered '$reply'"
        say "deploy/Containerfile: built, and served in an empty root"
    else
        say "image not built: that takes buildah, and the right to use it"
    fi
fi

if have systemd-analyze; then
    # The units name a program that is installed on the server, not on this machine.
    units=$(mktemp -d)
    trap 'rm -rf "$units"' EXIT
    cp deploy/selkie-http.socket "$units"
    sed "s|/usr/local/bin/selkie-http|$(command -v true)|" deploy/selkie-http.service \
        >"$units/selkie-http.service"
    run systemd-analyze verify "$units/selkie-http.socket" "$units/selkie-http.service"
else
    say "units not verified: systemd-analyze is missing"
fi
