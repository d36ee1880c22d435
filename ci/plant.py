#!/usr/bin/env python3
"""Plants all bugs of simulation/planted into one copy of the project, each behind a switch.

    ci/plant.py FOLDER PATCH...

A patch changes functions of core. Each function gets the changed bodies beside its own:

    fn push(&mut self) {
        if crate::planted::is(7) { return { ...as the seventh patch has it... }; }
        ...as it is...
    }

So one build is enough for all of them; the variable SELKIE_PLANTED says which is on, 0 or nothing
for none. Prints the names of the patches that do not apply, or change more than bodies of
functions, and ends with 1 then.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

SWITCH = '''
/// Which bug is on.
pub(crate) mod planted {
    extern crate std;

    static NUMBER: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        let number = std::env::var("SELKIE_PLANTED").ok();
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    });

    #[inline]
    pub(crate) fn is(number: u32) -> bool {
        *NUMBER == number
    }
}
'''

# What may contain a brace that is none: comments, strings and characters.
SKIPPED = re.compile(r'''//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|[^'\\])\'''', re.S)
FUNCTION = re.compile(r'^[ \t]*(?:pub(?:\([^)]*\))? )?(const )?(?:unsafe )?fn (\w+)', re.M)


def blanked(text):
    """Returns the text with everything blank that may contain a brace that is none."""
    return SKIPPED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def functions(text):
    """Yields for each outermost function its name, where it begins, and the span of its body."""
    plain, end = blanked(text), 0
    for match in FUNCTION.finditer(plain):
        if match.start() < end:
            continue
        opening = re.compile(r"[{;]").search(plain, match.end())
        if opening is None or opening[0] == ";":
            continue
        depth, end = 0, opening.start()
        while True:
            depth += {"{": 1, "}": -1}.get(plain[end], 0)
            end += 1
            if depth == 0:
                break
        yield match[2], match.start(), (opening.start(), end)


def outside(text):
    """Returns the text without the bodies of its functions."""
    parts, last = [], 0
    for _, _, (start, end) in functions(text):
        parts.append(text[last:start])
        last = end
    return "".join([*parts, text[last:]])


def changed(original, patched):
    """Yields the number of each function whose body differs, and the body that it has then."""
    if outside(original) != outside(patched):
        raise ValueError("it changes more than bodies of functions")
    pairs = zip(functions(original), functions(patched), strict=True)
    for index, ((_, _, before), (_, _, after)) in enumerate(pairs):
        if original[slice(*before)] != patched[slice(*after)]:
            yield index, patched[slice(*after)]


def apply(folder, patch):
    """Returns the files that a patch changes, by their path, as they are after it."""
    paths = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            target = Path(scratch, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(Path(folder, path).read_text())
        command = ["patch", "--quiet", "--fuzz=0", "--strip=1", "--forward", "--directory", scratch]
        with patch.open() as text:
            if subprocess.run(command, stdin=text, capture_output=True, check=False).returncode:
                raise ValueError("it does not apply any more; renew it")
        return {path: Path(scratch, path).read_text() for path in paths}


def planted(original, bodies):
    """Returns a file with these bodies beside those of its functions."""
    text = original
    for index, (_, start, (opening, _)) in reversed(list(enumerate(functions(original)))):
        if index in bodies:
            switches = "".join(
                f"if crate::planted::is({number}) {{ return {body}; }}\n"
                for number, body in bodies[index]
            )
            head = text[start:opening].replace("const fn", "fn", 1)
            text = text[:start] + head + "{\n" + switches + text[opening + 1 :]
    return text


def main():
    folder, patches = sys.argv[1], [Path(name) for name in sys.argv[2:]]
    bodies, failed = {}, False
    for number, patch in enumerate(patches, 1):
        try:
            for path, text in apply(folder, patch).items():
                for index, body in changed(Path(folder, path).read_text(), text):
                    bodies.setdefault(path, {}).setdefault(index, []).append((number, body))
        except ValueError as error:
            print(f"{patch.stem}: {error}")
            failed = True
    for path, found in bodies.items():
        file = Path(folder, path)
        file.write_text(planted(file.read_text(), found))
    library = Path(folder, "core/src/lib.rs")
    library.write_text(library.read_text() + SWITCH)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
