"""Checks of the console on an emulated board.

    python3 check.py MACHINE ELF

MACHINE is QEMU's name: `microbit` or `virt`.
"""

import subprocess
import sys
import time

PATIENCE = 120.0
QEMU = {
    "microbit": ["qemu-system-arm", "-M", "microbit"],
    "virt": ["qemu-system-riscv32", "-M", "virt", "-bios", "none"],
}


def main(machine, elf):
    command = ["timeout", str(PATIENCE), *QEMU[machine], "-display", "none", "-monitor", "none"]
    command += ["-serial", "stdio", "-semihosting-config", "enable=on,target=native"]
    board = subprocess.Popen(
        [*command, "-kernel", elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )

    def ask(text, *answers):
        board.stdin.write(text)
        for answer in answers:
            line = board.stdout.readline()
            assert line == answer + b"\n", f"{machine} answered {line!r}, not {answer!r}"

    ask(b"", b"ready")
    for turn in range(50):
        ask(b"line %d\n" % turn, b"line %d" % turn)
    start = time.monotonic()
    # The answer that waits delays no other.
    ask(b"later\nnow\n", b"now", b"100 ms later")
    assert time.monotonic() - start > 0.09, "it was answered too early"
    ask(b"one\ntwo\n" + b"x" * 200 + b"\n", b"one", b"two", b"x" * 64)
    ask(b"quit\n")
    status = board.wait()
    assert status == 0, f"{machine} has ended with status {status}"
    print(f"{machine}: lines, a timer, and the end, as they should be")


if __name__ == "__main__":
    main(*sys.argv[1:])
