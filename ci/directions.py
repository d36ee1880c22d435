"""Checks the direction of the imports: mains -> services -> core <- backends, and inside core.

The manifests say which crate may use which. The sources of core and of the services are searched
for the rest: contract <- backend, event_loop <- server, adapters, and the order of the server's
files. Prints each breach with its reason and ends with the status 1 if there is one.
"""

import pathlib
import re
import sys

import workspace

# The layer of a folder. Every other member is a main (facade, examples, benchmarks, fuzz targets):
# it may know all.
LAYERS = {
    "core": re.compile(r"^core$"),
    "backend": re.compile(r"^([a-z]+-backends?|simulation)$"),
    "adapter": re.compile(r"^async$"),
    "suite": re.compile(r"^conformance$"),
    "service": re.compile(r"^examples/services$"),
}

# What a crate of a layer may use of ours, and what its tests may use besides. A main may use all of
# it.
MAY_USE = {
    "core": set(),
    "adapter": {"core"},
    "backend": {"core"},
    "suite": {"core"},
    "service": {"core", "adapter"},
}
TESTS_MAY_USE = {
    "core": {"suite"},
    "adapter": {"backend"},
    "backend": {"suite", "service"},
    "suite": {"backend"},
    "service": set(),
}

# What core may depend on besides the language. A longer list is a decision for
# docs/ARCHITECTURE.md.
CORE_DEPENDENCIES = {"defmt", "embedded-io", "heapless"}

# Inside core: what the files of a layer may import, besides their own. By path: a name that the
# root exports says nothing about where it comes from. `lib.rs` and `defmt.rs` are above all of
# them.
INSIDE_CORE = {
    "address_table": {"contract"},
    "bitset": set(),
    "compact": set(),
    "contract": {"bitset", "compact"},
    # The memory of a table is lent through `event_loop::Storage`.
    "backend": {"contract", "event_loop", "bitset"},
    "event_loop": {"contract", "bitset"},
    "datagrams": {"contract", "event_loop", "bitset"},
    "front_door": {"contract", "event_loop", "server"},
    "adapters": {"contract", "event_loop", "backend", "bitset"},
    "server": {"contract", "event_loop", "address_table", "bitset", "compact"},
    "layers": {"contract", "server"},
    "testing": {"contract", "server"},
    "shards": {"server"},
}
ABOVE_ALL = {"lib", "defmt"}
# The files of the server: each imports only files of earlier lines. A file that extends a type of
# another (`impl Engine`, `impl Server`) imports that one, and nothing imports it.
SERVER = """
    buffer_pool config counters mailbox origin
    connection ops
    peer
    service storage
    connections
    engine
    connector
    buffers mod peer_ops reader writer
    acceptor access deadlines fast_path lifecycle
""".strip().splitlines()
# The most imports among them that do not follow from others.
SERVER_ARROWS = 25
COMMENT = re.compile(r"//.*")
# The tests of a file stand at its end, and may know more.
TESTS = re.compile(r"^#\[cfg\(test\)\]\s*mod \w+ \{.*", re.MULTILINE | re.DOTALL)
# Macros name what they use by `$crate` and the public path.
IMPORT = re.compile(r"(?<!\$)\b(?:crate|selkie_core)::(?:(\w+)|\{([^;]*?)\};)", re.DOTALL)

# The crates that know neither the operating system nor an allocator, and what their first file must
# say.
FREE_STANDING = ("core", "service")
ATTRIBUTES = ("#![no_std]", "#![forbid(unsafe_code)]")
# The library crates that such a crate could still bring in, unless for its tests or by a feature.
EXTERN_CRATE = re.compile(
    r"(?<!#\[cfg\(test\)\]\n)(?<!#\[cfg\(feature = \"std\"\)\]\n)"
    r"^extern crate (?:std|alloc)\b",
    re.MULTILINE,
)


def layer_of(package):
    for layer, pattern in LAYERS.items():
        if pattern.match(package["folder"]):
            return layer
    return "main"


def breaches_in_manifest(package, layers):
    layer = layers[package["name"]]
    if layer == "main":
        return
    manifest = f"{package['folder']}/Cargo.toml"
    for dependency in package["dependencies"]:
        name, is_for_tests = dependency["name"], dependency["kind"] == "dev"
        allowed = MAY_USE[layer] | (TESTS_MAY_USE[layer] if is_for_tests else set())
        if name in layers and name != package["name"] and layers[name] not in allowed:
            yield f"{manifest}: {layer} may not depend on {name} ({layers[name]})"
        is_foreign = not is_for_tests and name not in layers
        if layer == "core" and is_foreign and name not in CORE_DEPENDENCIES:
            yield f"{manifest}: core may depend on {sorted(CORE_DEPENDENCIES)} only, not on {name}"


def breaches_in_sources(package, root):
    if layer_of(package) not in FREE_STANDING:
        return
    sources = root / package["folder"] / "src"
    first = (sources / "lib.rs").read_text(encoding="utf-8").splitlines()
    for attribute in ATTRIBUTES:
        if attribute not in first:
            yield f"{package['folder']}/src/lib.rs: `{attribute}` is missing"
    for path in sorted(sources.rglob("*.rs")):
        for found in EXTERN_CRATE.finditer(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root)}: `{found.group(0)}`, in a crate without a system"


def imported(code):
    """The first names of all paths that begin at the root of the crate, with their offsets."""
    for found in IMPORT.finditer(code):
        if found[1]:
            yield found[1], found.start()
            continue
        depth, name = 0, ""
        for character in found[2] + ",":
            depth += (character == "{") - (character == "}")
            if character == "," and depth == 0:
                yield re.match(r"\s*(\w*)", name)[1], found.start()
                name = ""
            else:
                name += character


def breaches_inside_core(root):
    sources = root / "core" / "src"
    for path in sorted(sources.rglob("*.rs")):
        layer = path.relative_to(sources).parts[0].removesuffix(".rs")
        place = path.relative_to(root)
        if layer in ABOVE_ALL or path.name == "tests.rs":
            continue
        if layer not in INSIDE_CORE:
            yield f"{place}: `{layer}` is no layer of core that ci/directions.py knows"
            continue
        code = TESTS.sub("", COMMENT.sub("", path.read_text(encoding="utf-8")))
        for name, offset in imported(code):
            if not name or name == layer or name in INSIDE_CORE[layer]:
                continue
            line = code.count("\n", 0, offset) + 1
            if name in INSIDE_CORE:
                yield f"{place}:{line}: {layer} may not import {name}"
            else:
                yield f"{place}:{line}: `{name}` is imported from the root; name its layer"


def imports_inside_server(sources):
    """The files of the server that each of its files imports."""
    found = {}
    for path in sorted(sources.glob("*.rs")):
        code = TESTS.sub("", COMMENT.sub("", path.read_text(encoding="utf-8")))
        pattern = r"^(?:pub )?use (\w+)::" if path.stem == "mod" else r"\bsuper::(\w+)"
        names = re.findall(pattern, code, re.MULTILINE)
        found[path.stem] = {"mod" if name[0].isupper() else name for name in names}
    return {file: names & found.keys() - {file} for file, names in found.items()}


def reached(imports, file, without):
    """The files that `file` imports, by itself or through others, but not by the one arrow."""
    seen, rest = set(), [file]
    while rest:
        place = rest.pop()
        for name in imports[place] - seen:
            if (place, name) != without:
                seen.add(name)
                rest.append(name)
    return seen


def breaches_inside_server(root):
    imports = imports_inside_server(root / "core" / "src" / "server")
    floors = {file: floor for floor, files in enumerate(SERVER) for file in files.split()}
    arrows = [(file, name) for file in imports for name in sorted(imports[file])]
    for file in sorted(imports.keys() - floors.keys()):
        yield f"core/src/server/{file}.rs has no place in the order of ci/directions.py"
    for file, name in arrows:
        if file in floors and name in floors and floors[name] >= floors[file]:
            yield f"core/src/server/{file}.rs may not import {name}"
    drawn = [arrow for arrow in arrows if arrow[1] not in reached(imports, arrow[0], arrow)]
    print(f"    server: {len(arrows)} imports, {len(drawn)} of which do not follow from others")
    if len(drawn) > SERVER_ARROWS:
        yield f"core/src/server: {len(drawn)} arrows are more than {SERVER_ARROWS}"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    packages = workspace.read_packages()
    layers = {package["name"]: layer_of(package) for package in packages}
    breaches = []
    for package in packages:
        print(f"    {layers[package['name']]:8} {package['name']} ({package['folder']})")
        breaches += [*breaches_in_manifest(package, layers), *breaches_in_sources(package, root)]
    breaches += [*breaches_inside_core(root), *breaches_inside_server(root)]
    for breach in breaches:
        print(f"error: {breach}")
    print(f"    {len(packages)} packages looked at, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
