"""Rewrites what `wasm-tools component new` leaves long or repeats, as a component has no optimizer.

    wasm-tools print --name-unnamed COMPONENT | python3 ci/rewrite_component.py |
        wasm-tools parse --output COMPONENT

What the component itself imports and exports stays as it is. Inside of it:

- The main module imports by names of a letter or two, from one instance. It has had to say what it
  imports by names such as `[async-lower][stream-read-0][method]tcp-socket.receive`; in a component
  they only tie the module to its surroundings, and stand in it twice.
- A type has one alias.
- `run` is exported as it is, not through a component of its own.
- Definitions of one kind follow each other, so that they share a section.
"""

import collections
import itertools
import re
import string
import sys

# What the linker exports besides what it was asked for: where the memory of the program begins and
# ends.
LAYOUT = re.compile(r'\(export "__(data_end|heap_base)" \(global \S+\)\)')
LETTERS = string.ascii_letters + string.digits
# How a definition begins, for each kind of section.
SECTIONS = [
    r"  \(type",
    r"  \(import",
    r"  \(core module",
    r"  \(core instance",
    r"  \(alias",
    r"  \((core )?func",
    r"  \(instance",
    r"  \(export",
]


class Names(dict):
    """The short name of each name that was asked for, in the order in which they were first."""

    def __init__(self):
        super().__init__()
        lengths = (itertools.product(LETTERS, repeat=length) for length in itertools.count())
        self.unused = map("".join, itertools.chain.from_iterable(lengths))

    def __missing__(self, name):
        self[name] = next(self.unused)
        return self[name]


def definitions(text):
    """Returns what stands in the component, each definition with all of its lines."""
    # In the type of an instance, `parse` expects the name of an export in another place than that
    # where `print` writes it.
    export = re.compile(r'^(      \(export) (\S+) \(;\d+;\) (".*?") \((\w+)', re.MULTILINE)
    text = export.sub(r"\1 \3 (\4 \2", text)
    return re.findall(r"^  \(.*?(?:\)\n(?=^  \(|^\)))", text, re.MULTILINE | re.DOTALL)


def names_of(part):
    """Returns the pattern of the names in a definition that may be those of other definitions."""
    if part.startswith("  (core module"):
        return re.compile(r"(?!)")
    if "\n    (instance\n" in part:
        return re.compile(r"(?<=\(alias outer 1 )\$[#\w]+")
    return re.compile(r"\$[#\w]+")


def import_from_one(parts):
    """Has the main module import everything from one instance."""
    main = next(part for part in parts if re.match(r"  \(core instance .* \$#module0\b", part))
    sources = re.findall(r'\(with ".*?" \(instance (\S+?)\)\)', main)
    exports, result = "", []
    for part in parts:
        instance = re.match(r"  \(core instance (\S+) .*\n", part)
        if instance and instance[1] in sources:
            exports += part[instance.end() :].removesuffix("  )\n")
            continue
        if part is main:
            result.append(f"  (core instance $imports (;;)\n{exports}  )\n")
            part = re.sub(r"\(with .*\)\)", '(with "" (instance $imports))', part, flags=re.DOTALL)
        elif part.startswith("  (core module $#module0 "):
            part = re.sub(r'\(import ".*?"', '(import ""', LAYOUT.sub("", part))
        result.append(part)
    return result


def shorten_names(parts):
    """Gives what the modules import and export names of a letter or two."""
    names, modules = Names(), collections.defaultdict(Names)
    result = []
    for part in parts:
        if part.startswith(("  (core ", "  (alias core ")):
            part = re.sub(
                r'(\((?:import ".*?"|export|alias core export \S+)) "(.*?)"',
                lambda found: f'{found[1]} "{names[found[2]]}"',
                part,
            )
        module = re.match(r"  \(core (?:module|instance .*instantiate) (\$#module\d+)", part)
        if module:
            part = re.sub(
                r'\((import|with) "(.*?)"',
                lambda found: f'({found[1]} "{modules[module[1]][found[2]]}"',
                part,
            )
        result.append(part)
    return result


def alias_once(parts):
    """Leaves out the aliases of what has one."""
    aliases, same, result = {}, {}, []
    for part in parts:
        part = names_of(part).sub(lambda name: same.get(name[0], name[0]), part)
        alias = re.match(r"  \(alias (export .*) \(type (\S+) ", part)
        if alias and aliases.setdefault(alias[1], alias[2]) != alias[2]:
            same[alias[2]] = aliases[alias[1]]
        else:
            result.append(part)
    return result


def export_directly(parts):
    """Exports a function without the component that only passes it on."""
    through = re.compile(r'\(instantiate \$#component\d+\s+\(with "import-func-(.*?)" (.*)\)\s+\)')
    return [
        through.sub(r'(export "\1" \2)', part)
        for part in parts
        if not part.startswith("  (component ")
    ]


def share_sections(parts):
    """Has definitions of one kind follow each other, as far as each needs only earlier ones."""
    names, needs = {}, []
    for index, part in enumerate(parts):
        # Functions and instances of two kinds share their names: all that are meant by one.
        used = names_of(part).findall(part)
        needs.append({earlier for name in used for earlier in names.get(name, ())})
        defined = re.search(r"(\$[#\w]+) \(;", part)
        names.setdefault(defined[1], []).append(index)
        if not any(re.match(section, part) for section in SECTIONS):
            sys.exit(f"unknown kind of definition: {part[:80]}")
    done = {}
    while len(done) < len(parts):
        for section in SECTIONS:
            for index, part in enumerate(parts):
                if index not in done and re.match(section, part) and needs[index] <= done.keys():
                    done[index] = part
    return done.values()


def main():
    parts = definitions(sys.stdin.read())
    for step in (import_from_one, shorten_names, alias_once, export_directly, share_sections):
        parts = step(parts)
    sys.stdout.write("(component\n" + "".join(parts) + ")\n")


if __name__ == "__main__":
    main()
