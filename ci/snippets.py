"""Makes a crate of the Rust snippets of a README, as somebody would who pastes them.

    python3 ci/snippets.py README PACKAGE_FOLDER OUTPUT_FOLDER [FEATURE]

Each snippet becomes a program of its own, in a crate with one dependency: the package, by its path.
If the README shows a table of dependencies, the dependency has to be of that name. Prints how many
snippets there are.
"""

import json
import pathlib
import re
import sys

FENCED = re.compile(r"^```(\w+)(?:,(\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(package):
    manifest = (package / "Cargo.toml").read_text(encoding="utf-8")
    return re.search(r'^name = "(.*)"$', manifest, re.MULTILINE)[1]


def main(readme, package, output, *features):
    text = pathlib.Path(readme).read_text(encoding="utf-8")
    package = pathlib.Path(package).resolve()
    name = name_of(package)
    programs = pathlib.Path(output) / "src" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    count = 0
    for language, attribute, code in FENCED.findall(text):
        if language == "toml" and not re.search(rf"^{name}\b", code, re.MULTILINE):
            sys.exit(f"error: {readme}: the dependencies shown do not name {name}")
        if language != "rust" or attribute == "ignore":
            continue
        count += 1
        if not re.search(r"^fn main\(", code, re.MULTILINE):
            code += "\nfn main() {}\n"
        code = "#![allow(dead_code)]\n" + code
        (programs / f"snippet{count}.rs").write_text(code, encoding="utf-8")
    manifest = f"""[package]
name = "snippets-of-{name}"
edition = "2024"

[dependencies]
{name} = {{ path = "{package}", features = {json.dumps(features)} }}

[workspace]
"""
    (pathlib.Path(output) / "Cargo.toml").write_text(manifest, encoding="utf-8")
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
