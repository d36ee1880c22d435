"""Copies a crate of the workspace of guests into an empty folder, as a crate by itself.

    python3 check/external.py FOLDER CRATE
"""

import pathlib
import re
import shutil
import sys


def main(folder, crate):
    folder, crate = pathlib.Path(folder), pathlib.Path(crate).resolve()
    shutil.copytree(crate, folder, dirs_exist_ok=True)
    guests = crate.parent.parent / "guests"
    manifest = (crate / "Cargo.toml").read_text()
    manifest = re.sub(r'path = "(\.\./[^"]*)"', lambda m: f'path = "{crate / m[1]}"', manifest)
    manifest = manifest.replace('workspace = "../../guests"\n', "")
    manifest = manifest.replace("[lints]\nworkspace = true\n", "[workspace]\n")
    # Its profile is what its author wants; with that of the guests the build is shared.
    profiles = (guests / "Cargo.toml").read_text()
    manifest += "\n" + profiles[profiles.index("[profile.dev]") :]
    (folder / "Cargo.toml").write_text(manifest)
    shutil.copy(guests / "Cargo.lock", folder / "Cargo.lock")


if __name__ == "__main__":
    main(*sys.argv[1:])
