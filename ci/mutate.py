"""Builds all changes of `cargo mutants` into one copy of the project, and tests each of them.

    ci/mutate.py LIST FOLDER

LIST is what `cargo mutants --list --json` prints. In FOLDER/tree, a copy of the project, each
function of core gets its changed bodies beside its own, as ci/plant.py does it:

    fn room(&self) -> usize {
        match crate::planted::number() {
            7 => return { ...as the seventh change has it... },
            _ => {}
        }
        ...as it is...
    }

So one build is enough for all. The programs of tests that .cargo/mutants.toml names run once for
each change, until the first test fails, or for too long. What comes of it is in the files that
`cargo mutants` would write, in FOLDER/mutants.out: `caught.txt`, `missed.txt`, `timeout.txt`, and
`unviable.txt` for what does not compile. Functions that constants are made with cannot have a
switch: their changes are in `alone.txt`, for `cargo mutants` to try one by one.
"""

import collections
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

from plant import SWITCH, functions

# The longest time that a program of tests may take, in seconds. Unchanged, they take two.
PATIENCE = 20
JOBS = 2


class Change:
    """One change, and where it stands in the changed file."""

    def __init__(self, number, entry, text):
        self.number, self.name, self.file = number, entry["name"], entry["file"]
        lines = text.splitlines(keepends=True)
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line))
        start, end = (
            offsets[place["line"] - 1] + place["column"] - 1
            for place in (entry["span"]["start"], entry["span"]["end"])
        )
        self.start, self.end, self.new = start, end, entry["replacement"]
        self.first_line = self.last_line = 0

    def body(self, text, opening, closing):
        """Returns a function's body, from brace to brace, with this change."""
        return text[opening : self.start] + self.new + text[self.end : closing]


def switched(text, changes, constant):
    """Returns a file with the changed bodies of its functions, and notes where each stands.

    The functions of the names in `constant` have to stay as they are.
    """
    parts, last = [], 0
    for name, start, (opening, closing) in functions(text):
        own = [change for change in changes if opening <= change.start and change.end <= closing]
        if not own or name in constant:
            continue
        parts += [text[last:start], text[start:opening].replace("const fn", "fn", 1)]
        parts.append("{\nmatch crate::planted::number() {\n")
        for change in own:
            change.first_line = "".join(parts).count("\n") + 1
            parts.append(f"{change.number} => return {change.body(text, opening, closing)},\n")
            change.last_line = "".join(parts).count("\n")
        parts.append("_ => {}\n}\n")
        last = opening + 1
    return "".join([*parts, text[last:]])


def errors(folder, tests):
    """Yields the file, the line and the text of each error of the compiler."""
    command = ["cargo", "check", "--quiet", "--package", "selkie-core", *tests]
    command += ["--message-format", "json"]
    output = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False).stdout
    for line in output.splitlines():
        message = json.loads(line).get("message")
        if message and message["level"] == "error":
            for span in message["spans"]:
                if span["is_primary"]:
                    yield span["file_name"], span["line_start"], message["message"]


def plant(folder, tests, changes, texts):
    """Writes the changed files, without the changes that do not compile, which are returned."""
    unviable, constant = set(), collections.defaultdict(set)
    while True:
        by_file = collections.defaultdict(list)
        for change in changes:
            change.first_line = change.last_line = 0
            if change not in unviable:
                by_file[change.file].append(change)
        for file, text in texts.items():
            Path(folder, file).write_text(switched(text, by_file[file], constant[file]))
        found, others = set(), []
        for file, line, message in errors(folder, tests):
            here = [c for c in by_file[file] if c.first_line <= line <= c.last_line]
            found.update(here)
            if not here:
                others.append((file, line, message))
        # Functions that constants are made with.
        names = {match[1] for _, _, text in others for match in re.finditer(r"::(\w+)`", text)}
        is_new = False
        for file, text in texts.items():
            known = {name for name, _, _ in functions(text)} & names if not found else set()
            is_new |= bool(known - constant[file])
            constant[file] |= known
        if not found and not is_new:
            for file, line, message in others:
                print(f"error: {file}:{line}: {message}", file=sys.stderr)
            if others:
                sys.exit(1)
            return unviable
        unviable |= found
        print(f"    {len(unviable)} of {len(changes)} changes do not compile", flush=True)


def build(folder, tests):
    """Builds the tests, and returns the paths of their programs."""
    command = ["cargo", "test", "--quiet", "--package", "selkie-core", "--no-run", *tests]
    command += ["--message-format", "json"]
    output = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout
    messages = map(json.loads, output.splitlines())
    return [message["executable"] for message in messages if message.get("executable")]


def outcome(programs, folder, number):
    """Returns what the tests make of one change."""
    environment = {**os.environ, "SELKIE_PLANTED": str(number)}
    for program in programs:
        process = subprocess.Popen(
            [program, "--test-threads", "2"],
            cwd=Path(folder, "core"),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        is_late = threading.Event()
        timer = threading.Timer(PATIENCE, lambda: (is_late.set(), process.kill()))
        timer.start()
        has_failed = any(line.rstrip().endswith("FAILED") for line in process.stdout)
        timer.cancel()
        if has_failed:
            process.kill()
        process.stdout.close()
        if process.wait() != 0 or has_failed:
            return "timeout" if is_late.is_set() and not has_failed else "caught"
    return "missed"


def main():
    entries, folder = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    with Path(".cargo/mutants.toml").open("rb") as config:
        tests = tomllib.load(config)["additional_cargo_test_args"]
    tree, results = Path(folder, "tree"), Path(folder, "mutants.out")
    texts = {entry["file"]: Path(entry["file"]).read_text() for entry in entries}
    changes = [Change(n, e, texts[e["file"]]) for n, e in enumerate(entries, 1)]
    library = Path(tree, "core/src/lib.rs")
    switch = SWITCH.replace("fn is(number: u32) -> bool", "fn number() -> u32")
    library.write_text(library.read_text() + switch.replace("*NUMBER == number", "*NUMBER"))
    unviable = plant(tree, tests, changes, texts)
    programs = build(tree, tests)
    if outcome(programs, tree, 0) != "missed":
        sys.exit("error: the tests fail without any change")
    files = {
        kind: Path(results, f"{kind}.txt").open("w", buffering=1)
        for kind in ("caught", "missed", "timeout", "unviable", "alone")
    }
    files["unviable"].writelines(f"{change.name}\n" for change in unviable)
    viable = [change for change in changes if change.first_line]
    alone = (change for change in changes if not change.first_line and change not in unviable)
    files["alone"].writelines(f"{change.name}\n" for change in alone)
    # In an order of chance, so that the share is that of all if it is stopped early.
    random.shuffle(viable)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        judge = lambda change: (change, outcome(programs, tree, change.number))
        for count, (change, kind) in enumerate(pool.map(judge, viable), 1):
            files[kind].write(change.name + "\n")
            if count % 100 == 0:
                seconds = time.monotonic() - began
                print(f"    {count} of {len(viable)} in {seconds:.0f} s", flush=True)


main()
