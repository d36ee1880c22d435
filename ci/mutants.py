"""Sums up what `cargo mutants` wrote: for each file, the changes tried, and those noticed.

A change that does not compile is none. One that keeps the tests from ending was noticed. Ends with
the status 1 if any was missed.
"""

import collections
import pathlib
import sys


def names(folder, outcome):
    path = folder / f"{outcome}.txt"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def main():
    folder = pathlib.Path(sys.argv[1])
    counts = collections.defaultdict(collections.Counter)
    for outcome in ("caught", "timeout", "missed", "unviable"):
        for name in names(folder, outcome):
            counts[name.split(":")[0]][outcome] += 1

    total = collections.Counter()
    print(f"{'file':44} {'tried':>6} {'caught':>7} {'missed':>7} {'share':>7}")
    for file, count in [*sorted(counts.items()), ("all", total)]:
        noticed = count["caught"] + count["timeout"]
        tried = noticed + count["missed"]
        if file != "all":
            total.update(count)
        share = f"{100 * noticed / tried:.1f} %" if tried else "-"
        print(f"{file:44} {tried:6} {noticed:7} {count['missed']:7} {share:>7}")
    print(f"{total['unviable']} more did not compile")
    print(f"{total['timeout']} of those that were caught kept a test from ending")

    missed = names(folder, "missed")
    for name in missed:
        print(f"missed: {name}")
    sys.exit(1 if missed else 0)


main()
