#!/usr/bin/env python3
"""Checks the prose of the repository: comments, docs, names, and what they refer to.

    ci/prose.py                  the whole repository
    ci/prose.py FOLDER...        only these folders or files
    ci/prose.py --count [...]    totals per rule and top-level folder in place of findings

Each finding is `file:line: rule: text`; the status is 1 if there is one. The rules:

long-line     A line has more than 100 columns. Excepted: tables, output and images in Markdown,
              tables in docs, a line that is one word, and a line that fits without its longest word
              (a URL, a hash).
function-doc  The doc of a function begins with a verb in the third person: its first word ends in
              "s" and is no known noun, or is in OTHER_VERBS.
question-doc  A doc, also that of a file, begins with a question word (what, how, who, where, why).
letter-doc    A doc or comment is only a letter in parentheses.
word          A word or phrase of WORDS stands in prose: comments, docs, Markdown, texts in strings.
name          An identifier of NAMES, or one that has a part in NAME_PARTS, stands in Rust code.
file-name     A file has a name of FILE_NAMES, or one that has a part in NAME_PARTS.
missing       Markdown, or a comment, names a file, function or step that does not exist;
              `.cargo/mutants.toml` excludes a function or file that does not exist.
function-size A function of Rust has more than 44 lines.
file-size     A Rust file has more than 459 lines.
"""

import collections
import fnmatch
import os
import re
import subprocess
import sys

WIDTH = 100
FUNCTION_LINES = 44
FILE_LINES = 459

TEXT_ENDINGS = {"rs", "md", "toml", "sh", "py", "yml", "yaml", "x", "wit", "mjs", "patch", ""}
# Written by tools, copied from elsewhere, or quoting code line by line.
NOT_PROSE = re.compile(r"(^|/)(LICENSE-\w+|Cargo\.lock|package(-lock)?\.json|corpus/.*|\..*ignore)$")

# Participles that open the doc of a callback.
OTHER_VERBS = {"Called"}
# Words that end in "s" and are no verbs.
NO_VERBS = set(
    """Across Addresses Always As Backends Besides Bits Bytes Clients Connections Counters
    Deadlines Descriptors Devices Does Endless Events Files Functions Has Indices Is Its
    Items Knobs Less Lines Messages Milliseconds Nanoseconds Numbers Options Others Ours Pairs
    Perhaps Plus Ports Readiness Registrations Seconds Services Sessions Sizes Slots Sockets
    Sources Streams Success Thus Timers This Those Tokens Towards Turns Unless Us Was
    Wires""".split()
)
QUESTIONS = {"What", "Whatever", "Whether", "How", "Who", "Whoever", "Whose", "Where", "Which",
             "Why"}

# Searched for in prose, in lower case, as whole words.
WORDS = [
    "owe", "owes", "owed", "owing", "lest", "cramped", "nobody", "for ever", "whoever", "whatever",
    "look after", "looks after", "looked after", "came", "came about", "apart", "starved",
    "how-manieth", "unhold", "unheld", "time-out", "time-outs", "look-up", "look-ups",
]
# Only where they are prose about code: in Markdown and examples they may be said to the reader.
WORDS_IN_CODE = ["here", "lives", "tells"]

# Identifiers that had a meaning of our own; the field's words stand in their place.
NAMES = set(
    """Both Unserved Bound Outlet OWES HOLDS CRAMPED STARVED BROKEN RESUMED
    nothing_came welcome attend look_soon look_after settled let_go unhold unfill tally touch
    is_fed feed_next give_back fetch_apart wait_again look_into endless counts_nanoseconds
    Cells Watched gather strike tend far_side knobs ledger Stand fired partner""".split()
)
NAME_PARTS = {"owes", "owed", "lest", "cramped", "nobody", "for_ever", "starved", "whoever"}
FILE_NAMES = set(
    """both.rs unserved.rs scan.rs bound.rs flags.rs format.rs registrations.rs life.rs
    receiving.rs outbox.rs blocks.rs any.rs limit.rs handles.rs room.rs far.rs stand.rs stage.rs
    nothing.rs leaving.rs trouble.rs partner.rs knobs.rs ledger.rs travel.rs""".split()
)

# Identifiers of these crates and programs need not occur in our code.
FOREIGN = {"std", "core", "alloc", "libc", "mio", "tokio", "polling", "smoltcp", "wasi", "wit"}
# Words in snake case that docs mention and that are names of others, or values.
FOREIGN_WORDS = set("io_uring LISTEN_FDS SO_REUSEPORT_LB x86_64 ppoll".split())
PATH_ENDINGS = ("rs", "sh", "py", "toml", "md", "x", "wit", "patch", "mjs", "svg", "json", "txt")

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>\bb?c?r(?P<hashes>\#*)".*?"(?P=hashes)|b?c?"(?:\\.|[^"\\])*")
    |(?P<char>b?'(?:\\[^']+|[^\\'\n])')
    |(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL | re.VERBOSE,
)
FUNCTION = re.compile(
    r'\s*(?:pub(?:\([^)]*\))?\s+)?(?:default\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?'
    r'(?:extern\s+(?:"[^"]*"\s+)?)?fn\s+(\w+)'
)
BACKTICKS = re.compile(r"`([^`\n]+)`")


def word_pattern(words):
    return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?![\w-])", re.I)


BANNED = word_pattern(sorted(WORDS, key=len, reverse=True))
BANNED_IN_CODE = word_pattern(sorted(WORDS + WORDS_IN_CODE, key=len, reverse=True))


class Repository:
    """The files of the repository, and every word that stands in its code."""

    def __init__(self):
        self.root = git("rev-parse", "--show-toplevel").strip()
        listed = git("-C", self.root, "ls-files", "--cached", "--others", "--exclude-standard")
        self.files = [f for f in listed.splitlines() if os.path.isfile(self.path(f))]
        self.folders = {parent for f in self.files for parent in parents(f)}
        self.base_names = {os.path.basename(f) for f in self.files}
        self.texts = {f: self.read(f) for f in self.files if is_text(f)}
        self.words = set()
        for file, text in self.texts.items():
            if not file.endswith((".md", ".patch")) and file not in WITHOUT_WORDS:
                code = TOKEN.sub(keep_code, text) if file.endswith(".rs") else text
                self.words.update(re.findall(r"\w+", code))

    def path(self, file):
        return os.path.join(self.root, file)

    def read(self, file):
        with open(self.path(file), encoding="utf-8", errors="replace") as opened:
            return opened.read()

    def has_file(self, path, beside):
        """Whether a file or folder is named so, from the root, from `beside`, or by its end."""
        path = path.rstrip("/")
        relative = os.path.normpath(os.path.join(os.path.dirname(beside), path))
        known = self.folders.union(self.files)
        if path in known or relative in known:
            return True
        if "*" in path:
            patterns = (path, "*/" + path)
            return any(fnmatch.fnmatch(f, pattern) for f in known for pattern in patterns)
        return any(f.endswith("/" + path) for f in known)


# They name what must not exist, or their comments name what is excluded.
WITHOUT_WORDS = {"ci/prose.py", ".cargo/mutants.toml"}


def git(*arguments):
    return subprocess.run(("git",) + arguments, check=True, capture_output=True, text=True).stdout


def parents(file):
    while "/" in file:
        file = file.rsplit("/", 1)[0]
        yield file


def is_text(file):
    name = os.path.basename(file)
    ending = name.rsplit(".", 1)[1] if "." in name.lstrip(".") else ""
    return ending in TEXT_ENDINGS and not NOT_PROSE.search(file)


def keep_code(token):
    """Comments give no words, strings do: a test may name a file or an option."""
    return " " if token["comment"] else token[0]


class Checker:
    def __init__(self, repository):
        self.repository = repository
        self.findings = []

    def find(self, file, line, rule, text):
        self.findings.append((file, line, rule, text))

    def check(self, file):
        self.check_file_name(file)
        text = self.repository.texts.get(file)
        if text is None:
            return
        lines = text.splitlines()
        if not file.endswith(".patch"):
            self.check_width(file, lines)
        if file == "ci/prose.py":
            return
        if file.endswith(".rs"):
            self.check_rust(file, text, lines)
        elif file.endswith(".md"):
            self.check_markdown(file, lines)
        else:
            self.check_other(file, lines)
        if file == ".cargo/mutants.toml":
            self.check_mutants(file, lines)

    def check_file_name(self, file):
        name = os.path.basename(file)
        if name in FILE_NAMES or part_of(os.path.splitext(name)[0].replace("-", "_")):
            self.find(file, 1, "file-name", name)

    def check_width(self, file, lines):
        fenced = False
        for number, line in enumerate(lines, 1):
            if file.endswith(".md"):
                if line.lstrip().startswith("```"):
                    fenced = not fenced and line.strip() in ("```text", "```console")
                if fenced or line.lstrip().startswith(("|", "![", "<")):
                    continue
            # Docs are Markdown too, and a row of a table cannot be broken.
            if re.match(r"\s*//[/!] \|.*\|$", line):
                continue
            if len(line) > WIDTH:
                words = line.split()
                rest = len(line) - max(map(len, words))
                if len([w for w in words if w not in ("//", "///", "//!", "#", "-")]) > 1 and (
                    rest > WIDTH or max(map(len, words)) < WIDTH // 2
                ):
                    self.find(file, number, "long-line", f"{len(line)} columns")

    def check_rust(self, file, text, lines):
        if len(lines) > FILE_LINES:
            self.find(file, len(lines), "file-size", f"{len(lines)} lines")
        self.check_tokens(file, text)
        self.check_docs(file, lines)
        self.check_functions(file, lines)

    def check_tokens(self, file, text):
        for token in TOKEN.finditer(text):
            number = text.count("\n", 0, token.start()) + 1
            if token["comment"]:
                self.check_words(file, number, token["comment"], BANNED_IN_CODE)
                for within in BACKTICKS.finditer(token["comment"]):
                    self.check_path(file, number, within[1])
            elif token["string"] and " " in token["string"]:
                self.check_words(file, number, token["string"], BANNED)
            elif token["name"] and (token["name"] in NAMES or part_of(token["name"])):
                self.find(file, number, "name", token["name"])

    def check_docs(self, file, lines):
        number = 0
        while number < len(lines):
            stripped = lines[number].strip()
            if re.fullmatch(r"//[/!]? *\(?[a-z]\)[.;]?", stripped):
                self.find(file, number + 1, "letter-doc", stripped)
            if number == 0 and stripped.startswith("//! "):
                word = re.match(r"//! *([\w'-]*)", stripped)[1]
                if word in QUESTIONS:
                    self.find(file, 1, "question-doc", stripped[4:60])
            if not stripped.startswith("///") or stripped.startswith("////"):
                number += 1
                continue
            first = number
            while number < len(lines) and lines[number].strip().startswith("///"):
                number += 1
            item = skip_attributes(lines, number)
            word = re.match(r"/// *[`\[*]*([\w'-]*)", stripped)[1]
            function = FUNCTION.match(lines[item]) if item < len(lines) else None
            if function and not is_verb(word) and not stripped.startswith("/// Does n"):
                self.find(file, first + 1, "function-doc", f"`{function[1]}`: {stripped[4:60]}")
            elif word in QUESTIONS:
                self.find(file, first + 1, "question-doc", stripped[4:60])

    def check_functions(self, file, lines):
        for number, line in enumerate(lines):
            function = FUNCTION.match(line)
            if not function:
                continue
            indent = line[: len(line) - len(line.lstrip())]
            last = number
            while last < len(lines) and lines[last] != indent + "}":
                if lines[last].rstrip().endswith((";", "}")) and last == number:
                    break
                # A declaration without a body, over several lines.
                if lines[last].startswith(indent + ")") and lines[last].endswith(";"):
                    break
                last += 1
            if last - number + 1 > FUNCTION_LINES and last < len(lines):
                size = f"`{function[1]}`: {last - number + 1} lines"
                self.find(file, number + 1, "function-size", size)

    def check_markdown(self, file, lines):
        fenced = False
        for number, line in enumerate(lines, 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
                continue
            if fenced:
                for step in re.finditer(r"\bci/[\w/.-]+", line):
                    self.check_path(file, number, step[0])
                continue
            # The rows of the table of renames quote old names.
            if not (file == "CHANGELOG.md" and line.startswith("| `")):
                self.check_words(file, number, line, BANNED)
            for within in BACKTICKS.finditer(line):
                self.check_path(file, number, within[1])
                if file != "CHANGELOG.md":
                    self.check_function(file, number, within[1])
            for link in re.finditer(r"\]\(([^)#:\s]+)(#[^)]*)?\)", line):
                if not self.repository.has_file(link[1], file):
                    self.find(file, number, "missing", link[1])

    def check_other(self, file, lines):
        """Scripts, manifests, and what is written above a patch."""
        for number, line in enumerate(lines, 1):
            if file.endswith(".patch") and line.startswith(("diff ", "--- ", "+++ ")):
                break
            self.check_words(file, number, line, BANNED)
            if "#" in line:
                for within in BACKTICKS.finditer(line[line.index("#") :]):
                    self.check_path(file, number, within[1])

    def check_words(self, file, number, prose, banned):
        for found in banned.finditer(prose):
            line = number + prose.count("\n", 0, found.start())
            self.find(file, line, "word", found[1])

    def check_path(self, file, number, quoted):
        """What stands in backticks, if it is a path of this repository or a command of ci/."""
        if file == "CHANGELOG.md":
            return
        first, _, rest = quoted.partition(" ")
        path = first.removeprefix("./").split("#")[0].split(":")[0]
        if not re.fullmatch(r"[\w.*/-]*[\w*/]", path) or re.search(r"\b[A-Z_]{3,}\b", path):
            return
        ending = path.rsplit(".", 1)[-1] if "." in path else ""
        top = path.split("/")[0]
        in_repository = "/" in path and (top in self.repository.folders or top in ("ci", "docs"))
        named_file = ending in PATH_ENDINGS and not path.startswith(("/", "*.", "~", "."))
        if "target/" in path or not (in_repository or named_file):
            return
        if not self.repository.has_file(path, file):
            self.find(file, number, "missing", path)
        elif path == "ci/test":
            for step in re.findall(r"(?<![\w-])[a-z][\w-]*", rest.split("#")[0]):
                is_there = self.repository.has_file(f"ci/steps/{step}.sh", file)
                if not is_there and step != "all":
                    self.find(file, number, "missing", f"the step `{step}` of ci/test")

    def check_function(self, file, number, quoted):
        """What stands in backticks, if it is `a::b`, `a()` or in snake case: the last name."""
        path = re.fullmatch(r"((?:\w+(?:<[^>]*>)?::)*)(\w+)(\([^)]*\))?", quoted)
        if not path or quoted in FOREIGN_WORDS or path[1].split("::")[0] in FOREIGN:
            return
        name = path[2]
        if not (path[1] or path[3] or re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name)):
            return
        if name not in self.repository.words and not name.isdigit():
            self.find(file, number, "missing", f"`{quoted}`")

    def check_mutants(self, file, lines):
        for number, line in enumerate(lines, 1):
            pattern = re.match(r"\s*['\"](.*)['\"],?$", line)
            if not pattern:
                continue
            for path in re.findall(r"(\w+)\\\.rs", pattern[1]):
                if path + ".rs" not in self.repository.base_names:
                    self.find(file, number, "missing", path + ".rs")
            for alternatives in re.findall(r"\b([A-Z]\w+)(?:<[^>]*>)?::(?:\((.*?)\)|(\w+))", pattern[1]):
                owner, group, single = alternatives
                for name in [owner] + (group.split("|") if group else [single]):
                    if name not in self.repository.words:
                        self.find(file, number, "missing", f"{owner}::{name}")


def part_of(name):
    padded = f"_{name.lower()}_"
    return any(f"_{part}_" in padded for part in NAME_PARTS)


def is_verb(word):
    if word in OTHER_VERBS:
        return True
    return word.endswith("s") and word[:1].isupper() and word not in NO_VERBS


def skip_attributes(lines, number):
    """The line of the item below a doc, behind its attributes and plain comments."""
    depth = 0
    while number < len(lines):
        stripped = lines[number].strip()
        if depth == 0 and not stripped.startswith(("#[", "//")):
            break
        if not stripped.startswith("//"):
            depth += stripped.count("[") - stripped.count("]")
        number += 1
    return number


def print_totals(findings):
    totals = collections.Counter((rule, file.split("/")[0]) for file, _, rule, _ in findings)
    rules = collections.Counter(rule for _, _, rule, _ in findings)
    for rule, total in rules.most_common():
        places = [(count, top) for (r, top), count in totals.items() if r == rule]
        listed = ", ".join(f"{top} {count}" for count, top in sorted(places, reverse=True))
        print(f"{rule:14} {total:5}  {listed}")


def main():
    arguments = sys.argv[1:]
    count = "--count" in arguments
    repository = Repository()
    wanted = [
        os.path.relpath(os.path.abspath(a), repository.root) for a in arguments if a != "--count"
    ]
    checker = Checker(repository)
    for file in repository.files:
        if not wanted or any(w in (".", file) or file.startswith(w + "/") for w in wanted):
            checker.check(file)
    if count:
        print_totals(checker.findings)
    else:
        for file, line, rule, text in checker.findings:
            print(f"{file}:{line}: {rule}: {text}")
    print(f"{len(checker.findings)} findings")
    sys.exit(1 if checker.findings else 0)


if __name__ == "__main__":
    main()
