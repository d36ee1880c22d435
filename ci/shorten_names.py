"""Gives what the modules of a component import names of a letter or two.

    wasm-tools print COMPONENT | python3 ci/shorten_names.py | wasm-tools parse --output COMPONENT

A module says what it imports by names such as
`[async-lower][stream-read-0][method]tcp-socket.receive`, since `wasm-tools component new` has to
understand them. In the component that it makes they only tie the module to its surroundings, and
stand in it twice. What the component itself imports and exports keeps its names.
"""

import itertools
import re
import string
import sys

# What the linker exports besides what it was asked for: where the memory of the program begins and
# ends.
LAYOUT = re.compile(r'\(export "__(data_end|heap_base)" \(global \d+\)\)')


class Names(dict):
    """The short name of each name that was asked for, in the order in which they were first."""

    def __init__(self):
        super().__init__()
        letters = string.ascii_letters
        self.unused = itertools.chain(letters, map("".join, itertools.product(letters, repeat=2)))

    def __missing__(self, name):
        self[name] = next(self.unused)
        return self[name]


def items(text):
    """What stands in the component, each with all of its lines."""
    return re.findall(r"^  \(.*?(?:\)\n(?=^  \(|^\)))", text, re.MULTILINE | re.DOTALL)


def main():
    parts = items(sys.stdin.read())
    modules, names = Names(), Names()

    # The instances that the main module gets its imports from.
    instance = re.compile(r"  \(core instance \S+ \(instantiate 0\b")
    main_instance = next(part for part in parts if instance.match(part))
    sources = set(re.findall(r'\(with "[^"]*" \(instance (\d+)\)\)', main_instance))

    def shorten(part):
        if part.startswith("  (core module (;0;)"):
            part = LAYOUT.sub("", part)
            part = re.sub(
                r'(\(import "[^"]*") "([^"]*)"',
                lambda found: f'{found[1]} "{names[found[2]]}"',
                part,
            )
        instance = re.match(r"  \(core instance \(;(\d+);\)\n", part)
        if instance and instance[1] in sources:
            part = re.sub(r'\(export "([^"]*)"', lambda found: f'(export "{names[found[1]]}"', part)
        if part.startswith("  (core "):
            part = re.sub(
                r'\(import "([^"]*)"', lambda found: f'(import "{modules[found[1]]}"', part
            )
            part = re.sub(r'\(with "([^"]*)"', lambda found: f'(with "{modules[found[1]]}"', part)
        return part

    sys.stdout.write("(component\n" + "".join(map(shorten, parts)) + ")\n")


if __name__ == "__main__":
    main()
