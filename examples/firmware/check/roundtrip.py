"""Measures the round trip of an echo on a firmware: by itself, or in turns with the one by hand.

    python3 check/roundtrip.py ECHO_ELF [BARE_ELF]

A measurement, not a test: it never fails.
"""

import statistics
import sys
import time

from board import Board, exchange

RATIO_AIM = 1.2
# A round is a few exchanges with one board; the other has its turn at once, so that other load on
# the machine slows both.
BOOTS = 3
ROUNDS = 300
EXCHANGES = 5
MESSAGE = b"x" * 64


def measure(client):
    """Returns the times of some exchanges, in microseconds."""
    times = []
    for _ in range(EXCHANGES):
        start = time.perf_counter()
        exchange(client, MESSAGE)
        times.append((time.perf_counter() - start) * 1e6)
    return times


def compare(echo, bare):
    """Returns the ratio of the medians of two boards that were just booted."""
    with Board(echo) as echo_board, Board(bare) as bare_board:
        clients = (echo_board.connect(), bare_board.connect())
        times = ([], [])
        for turn in range(ROUNDS):
            for place in (0, 1) if turn % 2 else (1, 0):
                times[place].extend(measure(clients[place]))
        for client in clients:
            client.close()
        wakes = [board.counters()["sleeps"] for board in (echo_board, bare_board)]
    echo_time, bare_time = map(statistics.median, times)
    ratio = echo_time / bare_time
    print(
        f"round trip of {len(MESSAGE)} bytes, median of {ROUNDS * EXCHANGES}:"
        f" echo {echo_time:.0f} us, bare {bare_time:.0f} us, ratio {ratio:.2f};"
        f" sleeps {wakes[0]} and {wakes[1]}"
    )
    return ratio


def measure_alone(echo):
    """Returns the median of one board that was just booted."""
    with Board(echo) as board, board.connect() as client:
        return statistics.median(time for _ in range(ROUNDS) for time in measure(client))


def main(echo, bare=None):
    if bare is None:
        times = ", ".join(f"{measure_alone(echo):.0f} us" for _ in range(BOOTS))
        print(f"round trip of {len(MESSAGE)} bytes, medians of {BOOTS} boots: {times}")
        return
    # The host places each emulated board once for as long as it runs, so both are booted anew.
    ratio = statistics.median(compare(echo, bare) for _ in range(BOOTS))
    print(f"ratio, median of {BOOTS} boots: {ratio:.2f}; the aim is at most {RATIO_AIM}")


if __name__ == "__main__":
    main(*sys.argv[1:])
