"""Measures a firmware's flash and RAM by part; of the echo also in difference to the one by hand.

    python3 check/budget.py ELF
    python3 check/budget.py ECHO_ELF BARE_ELF

The latter ends with the status 1 if it is more than the budget allows. Flash is the code, the
constants and the table of interrupts.
"""

import collections
import re
import subprocess
import sys

KIB = 1024
# The limits of the whole firmware, console included: what was measured, and a little more.
FLASH_MAX = 40000
RAM_MAX = 18700
# The limits of core and backend: the difference to the firmware by hand.
FLASH_OURS_MAX = 14602
RAM_OURS_MAX = 5 * KIB // 4

# The first that matches a source's path is its part.
SOURCES = (
    ("language", r"/rustc/|/library/|^library/"),
    ("smoltcp", r"/smoltcp-[0-9]|/managed-"),
    ("backend", r"/smoltcp-backend/"),
    ("core", r"/core/src/"),
    ("service", r"/services/"),
    ("driver", r"/firmware/src/board/"),
    ("firmware", r"/firmware/src/"),
    ("logging", r"/defmt|/semihosting"),
)
# The crate that comes first in a symbol's name, and the part that it is.
CRATES = {
    "selkie_core": "core",
    "selkie_smoltcp": "backend",
    "smoltcp": "smoltcp",
    "selkie_services": "service",
    "firmware": "driver",
    "echo": "firmware",
    "bare": "firmware",
    "defmt": "logging",
    "defmt_semihosting": "logging",
    "semihosting": "logging",
    "core": "language",
    "compiler_builtins": "language",
}
NAMES = "|".join(sorted(CRATES, key=len, reverse=True))
CRATE = re.compile(rf"(?<![\w:])({NAMES})(?=::|\.\.)")
# Statics of the binaries that belong to a part.
STATICS = {
    "firmware::run::NETWORK": "sockets",
    "bare::BUFFERS": "sockets",
    "bare::STORAGE": "sockets",
    "bare::INTERFACE": "interface",
    "echo::MEMORY": "interface, loop and server",
    "firmware::run::LOOP": "loop",
    "bare::COPY": "copy",
}
IN_FLASH = (".vector_table", ".text", ".rodata", ".data")
IN_RAM = (".data", ".bss", ".uninit")


def readelf(*arguments):
    command = ["readelf", "-W", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()


def part_of_source(path):
    return next((part for part, pattern in SOURCES if re.search(pattern, path)), None)


def part_of_symbol(name):
    found = CRATE.search(name)
    return CRATES[found[1]] if found else "language"


def sections(elf):
    """Returns address and size of each section."""
    found = {}
    for line in readelf("-S", elf).splitlines():
        row = re.match(r"\s*\[ *\d+\] (\.\S+)\s+\S+\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)", line)
        if row:
            found[row[1]] = (int(row[2], 16), int(row[3], 16))
    return found


def symbols(elf, kind):
    """Address, size and name of each symbol of this kind."""
    for line in readelf("-sC", elf).splitlines():
        row = re.match(rf"\s*\d+: ([0-9a-f]+)\s+(\d+) {kind}\s+\S+\s+\S+\s+\S+ (.*)", line)
        if row:
            name = re.sub(r"::h[0-9a-f]{16}$", "", row[3])
            yield int(row[1], 16) & ~1 if kind == "FUNC" else int(row[1], 16), int(row[2]), name


def lines(elf):
    """The address from which on code comes from a source, and the path of that source."""
    path = ""
    for line in readelf("--debug-dump=decodedline", elf).splitlines():
        if line.endswith(":") and not line.startswith("CU:"):
            path = line[:-1]
        row = re.match(r"\S+\s+(\d+|-)\s+0x([0-9a-f]+)", line)
        if row:
            yield int(row[2], 16), "" if row[1] == "-" else path


def code_by_part(elf):
    """Bytes of code by the part that they come from.

    A function belongs to the part of its crate, and code that was inlined into it to the part of
    its own source; but code that was inlined from the language's library belongs to the part that
    stands before it in the function.
    """
    sources = sorted(lines(elf), key=lambda line: line[0])
    total = collections.Counter()
    position = 0
    for start, size, name in sorted(set(symbols(elf, "FUNC"))):
        part, place = part_of_symbol(name), start
        while position < len(sources) and sources[position][0] < start + size:
            address, path = sources[position]
            position += 1
            if address < start:
                continue
            total[part] += address - place
            place = address
            found = part_of_source(path)
            if found and found != "language":
                part = found
        total[part] += start + size - place
    return total


def statics_by_part(elf):
    """Bytes of RAM by the part that the static belongs to."""
    total = collections.Counter()
    ranges = [sections(elf)[name] for name in IN_RAM if name in sections(elf)]
    for address, size, name in set(symbols(elf, "OBJECT")):
        if any(start <= address < start + length for start, length in ranges):
            total[STATICS.get(name) or part_of_symbol(name)] += size
    total["padding"] = ram(elf) - sum(total.values())
    return total


def flash(elf):
    return sum(size for name, (_, size) in sections(elf).items() if name in IN_FLASH)


def ram(elf):
    return sum(size for name, (_, size) in sections(elf).items() if name in IN_RAM)


def print_parts(title, *totals):
    """Prints the parts of each firmware in a column of its own."""
    print(title)
    for part in sorted(set().union(*totals), key=lambda part: -totals[0][part]):
        if any(total[part] for total in totals):
            print(f"    {part:26}" + "".join(f"{total[part]:8}" for total in totals))


def main(echo, bare=None):
    elves = [echo] if bare is None else [echo, bare]
    names = "" if bare is None else ": echo and bare"
    print_parts(f"code by part, bytes{names}", *map(code_by_part, elves))
    print_parts(f"RAM by part, bytes{names}", *map(statics_by_part, elves))
    if bare is None:
        print(f"flash {flash(echo)} bytes, static RAM {ram(echo)} bytes")
        return 0
    too_much = 0
    for name, value, limit in (
        ("flash", flash(echo), FLASH_MAX),
        ("flash, of which ours", flash(echo) - flash(bare), FLASH_OURS_MAX),
        ("static RAM", ram(echo), RAM_MAX),
        ("static RAM, of which ours", ram(echo) - ram(bare), RAM_OURS_MAX),
    ):
        verdict = "fits" if value <= limit else "TOO MUCH"
        too_much += value > limit
        print(f"{name:28}{value:8} of {limit:6} bytes: {verdict}")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
