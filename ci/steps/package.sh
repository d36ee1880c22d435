#!/usr/bin/env bash
# Each crate packs; unpacked elsewhere, all examples compile, and those of the documentation run.
set -euo pipefail
source ci/common.sh

folder="$target_folder/packages"
rm -rf "$folder/unpacked" "$folder/snippets"
mkdir -p "$folder/unpacked"
crates=$(python3 ci/workspace.py --published)
options=()
for crate in $crates; do options+=("--package=$crate"); done
# Without the profiles of the workspace each package would have its own, and all dependencies anew.
export CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0
# What is verified below is more than what `cargo package` would verify.
run cargo package --quiet --locked --no-verify --allow-dirty "${options[@]}"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
patches="[patch.crates-io]"
for crate in $crates; do
    # With the time of now: those in a package are all the same, and cargo goes by them.
    tar -xmzf "$CARGO_TARGET_DIR/package/$crate-$version.crate" -C "$folder/unpacked"
    patches="$patches
$crate = { path = \"../$crate-$version\" }"
done
for crate in $crates; do
    unpacked="$folder/unpacked/$crate-$version"
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        [ -s "$unpacked/$file" ] || fail "the package $crate has no $file"
    done
    for part in tests benches ci fuzz; do
        [ ! -e "$unpacked/$part" ] || fail "the package $crate has a folder $part"
    done
    # A workspace of its own, whose siblings are the other packages in place of what is published.
    printf '\n[workspace]\n\n%s\n' "$patches" >>"$unpacked/Cargo.toml"
    cp Cargo.lock "$unpacked/Cargo.lock"
    (
        cd "$unpacked"
        say "$crate: $(find . -type f | wc -l | tr -d ' ') files"
        run cargo check --quiet --examples
        run cargo test --quiet --doc
    )
done

# What a README shows, pasted into a crate that depends on nothing else.
for readme in README.md */README.md examples/services/README.md; do
    package=$(dirname "$readme")
    snippets="$folder/snippets/$(echo "$package" | tr '/.' '-_')"
    count=$(python3 ci/snippets.py "$readme" "$package" "$snippets")
    [ "$count" -gt 0 ] || continue
    cp Cargo.lock "$snippets/"
    say "$readme: $count snippets"
    run cargo check --quiet --manifest-path "$snippets/Cargo.toml"
done
