"""Decodes the log of a firmware: what defmt leaves out of the flash is in the ELF.

    python3 check/log.py ELF < LOG

Knows numbers, strings and truth values. `defmt-print` knows all, and takes minutes to compile.
"""

import json
import os
import re
import struct
import subprocess
import sys

PARAMETER = re.compile(r"\{(?:=(\w+))?(?::([^}]*))?\}")
NUMBERS = {
    "u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "usize": "<I",
    "i8": "<b", "i16": "<h", "i32": "<i", "i64": "<q", "isize": "<i", "bool": "<?",
}  # fmt: skip
# Forms of a number other than the plain one.
HINTS = {"#x": "#x", "#X": "#X", "#b": "#b", "x": "x", "X": "X", "b": "b"}


def messages(elf):
    """Returns the format and the level of each message by its number, which is an address."""
    command = ["readelf", "-sW", elf]
    table = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
    found = {}
    for line in table.splitlines():
        row = re.match(r"\s*\d+: ([0-9a-f]+)\s+\d+ \S+\s+\S+\s+\S+\s+\S+ (\{.*\})$", line)
        if row:
            entry = json.loads(row[2])
            found[int(row[1], 16)] = (entry["tag"].removeprefix("defmt_"), entry["data"])
    return found


def unpack(frame):
    """Undoes the compression of zeros: a mark is behind the bytes that it stands for."""
    rest, out = list(frame), []
    while rest:
        mark = rest.pop()
        if mark < 0x80:
            zeros = [mark & 1 << 6 - place for place in range(7)]
        elif mark < 0xFF:
            zeros = [True] + [False] * ((mark & 0x7F) + 7)
        else:
            zeros = [False] * 134
        out += [0 if is_zero else rest.pop() for is_zero in zeros]
    return bytes(reversed(out))


def text(data, arguments):
    """Returns a message with its arguments."""

    def argument(match):
        nonlocal arguments
        kind, hint = match[1], match[2] or ""
        if kind == "str":
            [length] = struct.unpack_from("<I", arguments)
            value, arguments = arguments[4 : 4 + length], arguments[4 + length :]
            return value.decode(errors="replace")
        if kind not in NUMBERS:
            raise ValueError(f"the kind of {match[0]} is not known")
        [value] = struct.unpack_from(NUMBERS[kind], arguments)
        arguments = arguments[struct.calcsize(NUMBERS[kind]) :]
        return str(value).lower() if kind == "bool" else format(value, HINTS.get(hint, ""))

    return PARAMETER.sub(argument, data).replace("{{", "{").replace("}}", "}")


class Decoder:
    """Decodes the log of a firmware as it arrives."""

    def __init__(self, elf):
        self.table = messages(elf)
        self.unread = b""

    def lines(self, log):
        """Returns the lines that end in these bytes; one for a damaged frame says so."""
        *frames, self.unread = (self.unread + log).split(b"\0")
        return [self.line(frame) for frame in frames if frame]

    def line(self, frame):
        try:
            message = unpack(frame)
            [number] = struct.unpack_from("<H", message)
            level, data = self.table[number]
            return f"{level.upper():5} {text(data, message[2:])}"
        except (IndexError, KeyError, ValueError, struct.error) as error:
            return f"(a message that cannot be decoded: {error!r})"


def main(elf):
    decoder = Decoder(elf)
    while log := os.read(sys.stdin.fileno(), 4096):
        for line in decoder.lines(log):
            print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
