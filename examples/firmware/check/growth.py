"""Compares the flash of two firmwares.

    python3 check/growth.py ELF OTHER_ELF MOST

Ends with the status 1 if the other one takes more than MOST bytes more.
"""

import sys

import budget


def flash(elf):
    """Returns the bytes of all sections that are in flash."""
    return sum(size for name, (_, size) in budget.sections(elf).items() if name in budget.IN_FLASH)


def main(elf, other, most):
    growth = flash(other) - flash(elf)
    print(f"flash: {growth} bytes more, at most {most} allowed")
    return 1 if growth > int(most) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
