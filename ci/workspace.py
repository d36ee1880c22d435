"""The packages of the workspace, as cargo knows them.

    python3 ci/workspace.py                 all of them, one name a line
    python3 ci/workspace.py --libraries     those with a library for the oldest compiler promised
    python3 ci/workspace.py --published     those that are published
    python3 ci/workspace.py core .          those in these folders, as far as they are packages
"""

import json
import os
import subprocess
import sys


def read_packages():
    """The members of the workspace, each with its folder below the root under the key `folder`."""
    output = subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--no-deps"], check=True, stdout=subprocess.PIPE
    ).stdout
    metadata = json.loads(output)
    for package in metadata["packages"]:
        package["folder"] = os.path.relpath(os.path.dirname(package["manifest_path"]), metadata["workspace_root"])
    return metadata["packages"]


def has_library(package):
    return any("lib" in target["kind"] for target in package["targets"])


def rust_version(package):
    """The oldest compiler that a package promises to build with, as numbers. All promise one."""
    return tuple(map(int, package["rust_version"].split(".")))


def main(arguments):
    packages = read_packages()
    if arguments == ["--libraries"]:
        oldest = min(map(rust_version, packages))
        packages = [
            package
            for package in packages
            if has_library(package) and rust_version(package) == oldest
        ]
    elif arguments == ["--published"]:
        packages = [package for package in packages if package["publish"] != []]
    elif arguments:
        packages = [package for package in packages if package["folder"] in arguments]
    for package in packages:
        print(package["name"])


if __name__ == "__main__":
    main(sys.argv[1:])
