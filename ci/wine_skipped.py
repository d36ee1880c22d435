"""Compares the cases of the conformance suite that were not applicable under Wine with the list of
those that are known, each with its reason.

Usage: wine_skipped.py LIST LOG...

A line of the list is BACKENDS FIXTURES CASE, the first two separated by commas; the comment above
it is the reason. Both a case that is missing in the list and one that runs nevertheless are errors.
"""

import re
import sys

SKIPPED = re.compile(r"conformance::(\w+)::(\w+)::\w+ ([\w:]+): not applicable: (.*)")


def listed(path):
    """Returns the names of all cases that the list has."""
    names = set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                backends, fixtures, case = line.split()
                names |= {
                    f"{backend} {fixture} {case}"
                    for backend in backends.split(",")
                    for fixture in fixtures.split(",")
                }
    return names


def skipped(paths):
    """Returns the notes of all cases that were not applicable, by name."""
    notes = {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            for match in filter(None, map(SKIPPED.search, file)):
                backend, fixture, case, note = match.groups()
                notes[f"{backend} {fixture} {case}"] = note
    return notes


def main():
    known, notes = listed(sys.argv[1]), skipped(sys.argv[2:])
    for name in sorted(notes.keys() - known):
        print(f"not in {sys.argv[1]}: {name}: {notes[name]}")
    for name in sorted(known - notes.keys()):
        print(f"in {sys.argv[1]}, but it ran: {name}")
    print(f"{len(notes)} cases are not applicable, {len(known)} of them known")
    return int(notes.keys() != known)


if __name__ == "__main__":
    sys.exit(main())
