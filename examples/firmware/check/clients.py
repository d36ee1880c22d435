"""Checks of the echo firmware on an emulated board, by real TCP clients and a real console.

    python3 check/clients.py ELF
"""

import os
import random
import socket
import struct
import sys
import threading
import time
import unittest

from board import PATIENCE, Board, BoardCase, exchange, receive, wait_for

CONNECTIONS = 4
BACKLOG = 2
IDLE_TIMEOUT = 10.0
STACK_MAX = 4096
# QEMU's name of the board, and the seconds after which its clock's counter of 24 bits wraps: of a
# board that is not named here, at least a tenth.
MACHINE = os.environ.get("SELKIE_MACHINE", "lm3s6965evb")
CLOCK_WRAPS = {"lm3s6965evb": 1.34, "mps2-an385": 0.67}
ELF = ""


class Clients(BoardCase):
    """Each check leaves the board without clients, and fails if the one before did not.

    A board that has ended fails the check in which it did, with its last words; the next check gets
    a new one.
    """

    @classmethod
    def setUpClass(cls):
        cls.board = Board(ELF)

    @classmethod
    def tearDownClass(cls):
        try:
            used = cls.board.counters()["stack_max"]
            print(f"stack: {used} of {STACK_MAX} bytes used at most", file=sys.stderr)
            if used > STACK_MAX:
                raise AssertionError(f"the stack has grown to {used} bytes")
        finally:
            cls.board.stop()

    def setUp(self):
        self.clients = []
        if self.board.process.poll() is not None:
            self.board.stop()
            type(self).board = Board(ELF)
        self.wait_until_alone()

    def tearDown(self):
        for client in self.clients:
            client.close()
        self.board.check()

    def wait_until_alone(self):
        wait_for(lambda: self.board.counters()["open"] == 0, "the last client to leave")

    def connect(self):
        """A client that is served."""
        client = self.begin_to_connect()
        self.assertEqual(exchange(client, b"?"), b"?")
        return client

    def begin_to_connect(self):
        client = self.board.connect()
        self.clients.append(client)
        return client

    def leave(self, client):
        self.clients.remove(client)
        client.close()

    def test_boots_and_says_so(self):
        self.assertIn("listening on 10.0.2.15:7, capacity 4", self.board.log())

    def test_three_interleaved_clients(self):
        clients = [self.connect() for _ in range(3)]
        for turn in range(50):
            for number, client in enumerate(clients):
                client.sendall(b"%d of %d" % (turn, number))
            for number, client in enumerate(clients):
                wanted = b"%d of %d" % (turn, number)
                self.assertEqual(receive(client, len(wanted)), wanted)

    def test_bulk_with_half_close(self):
        client = self.connect()
        data = random.Random(1).randbytes(512 * 1024)

        def send():
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = receive(client, len(data) + 1)
        sender.join()
        self.assertTrue(received == data, f"{len(received)} of {len(data)} bytes, or others")

    def test_churn(self):
        before = self.board.counters()
        for turn in range(100):
            client = self.connect()
            self.assertEqual(exchange(client, b"turn %d" % turn), b"turn %d" % turn)
            self.leave(client)
        self.wait_until_alone()
        after = self.board.counters()
        self.assertEqual(after["accepted"] - before["accepted"], 100)

    def test_beyond_capacity(self):
        served = [self.connect() for _ in range(CONNECTIONS)]
        waiting = []
        for number in range(BACKLOG):
            client = self.begin_to_connect()
            client.sendall(b"later %d" % number)
            waiting.append(client)
            count = len(waiting)
            wait_for(lambda: self.board.counters()["waiting"] == count, "a client to wait")
            for client in served:
                self.assertEqual(exchange(client, b"tick"), b"tick")
        refused = self.begin_to_connect()
        self.assertIn(self.end_of(refused), ("end", "reset"))
        for client in served:
            self.assertEqual(exchange(client, b"still here"), b"still here")
        for client in waiting:
            client.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                client.recv(1)
            client.settimeout(PATIENCE)
        for number, client in enumerate(waiting):
            self.leave(served[number])
            self.assertEqual(receive(client, 7), b"later %d" % number)
        for client in served[BACKLOG:]:
            self.assertEqual(exchange(client, b"still here"), b"still here")

    @staticmethod
    def end_of(client):
        try:
            return "end" if client.recv(1) == b"" else "bytes"
        except ConnectionError:
            return "reset"

    def test_resets(self):
        bystander = self.connect()
        for _ in range(20):
            client = self.connect()
            client.sendall(b"half a req")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.leave(client)
            self.assertEqual(exchange(bystander, b"fine"), b"fine")
        wait_for(lambda: self.board.counters()["open"] == 1, "the reset connections to go")

    def test_a_link_that_goes_down_and_up_keeps_its_clients(self):
        clients = [self.connect() for _ in range(2)]
        self.board.set_link("off")
        for client in clients:
            client.sendall(b"sent while it is down")
            client.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                client.recv(1)
            client.settimeout(PATIENCE)
        self.board.set_link("on")
        for client in clients:
            self.assertEqual(receive(client, 21), b"sent while it is down")
            self.assertEqual(exchange(client, b"as before"), b"as before")

    def test_a_stalled_reader_delays_no_other_client(self):
        stalled, reader = self.connect(), self.connect()
        before = self.board.counters()["closed_idle"]
        stalled.setblocking(False)
        # QEMU and the host take some megabytes first, for which a board may take a while.
        deadline = time.monotonic() + 3 * IDLE_TIMEOUT
        while self.board.counters()["closed_idle"] == before:
            self.assertLess(time.monotonic(), deadline, "a reader that takes nothing is closed")
            try:
                stalled.send(b"x" * 65536)
                deadline = time.monotonic() + 3 * IDLE_TIMEOUT
            except (BlockingIOError, ConnectionError):
                pass
            self.assertEqual(exchange(reader, b"alive"), b"alive")
            time.sleep(0.005)
        self.assertEqual(exchange(reader, b"alive"), b"alive")

    def test_an_idle_client_is_closed(self):
        # Before its message: on a busy machine the answer may be late.
        since = time.monotonic()
        client = self.connect()
        self.assertEqual(client.recv(1), b"")
        silence = time.monotonic() - since
        self.assertGreater(silence, IDLE_TIMEOUT - 0.5)
        self.assertLess(silence, IDLE_TIMEOUT + 10.0)

    def test_console_and_clients_at_once(self):
        clients = [self.connect() for _ in range(3)]
        for turn in range(30):
            for client in clients:
                client.sendall(b"over the network")
            line = b"over the wire, line %d" % turn
            self.assertEqual(self.board.ask(line, b"over"), [line])
            for client in clients:
                self.assertEqual(receive(client, 16), b"over the network")
        self.assertEqual(self.board.counters()["open"], 3)

    def test_an_idle_board_sleeps(self):
        since = time.monotonic()
        before = self.board.counters()
        time.sleep(5)
        after = self.board.counters()
        elapsed = time.monotonic() - since
        seconds = (after["uptime_ms"] - before["uptime_ms"]) / 1000
        wakes = after["sleeps"] - before["sleeps"]
        # The clock's counter wraps every second or so; the characters of the question, and the
        # interrupts of the answer, wake it too.
        typed = 2 * len("stats\n") + 8
        most = seconds / CLOCK_WRAPS.get(MACHINE, 0.1) + 2 + typed
        self.assertLess(wakes, most, "a board with nothing to do sleeps")
        # A board that does not run while its counter wraps loses that time.
        self.assertGreater(seconds, 2.5, "and its clock goes on")
        self.assertLess(seconds, elapsed + 0.5)
        report = f"idle: {wakes} wake-ups in {seconds:.1f} s, the question's own included"
        print(report, file=sys.stderr)


class Drain(unittest.TestCase):
    """What ends the board."""

    def test_draining_flushes_pending_output_and_ends(self):
        with Board(ELF) as board:
            client = board.connect()
            self.assertEqual(exchange(client, b"last words"), b"last words")
            board.console.sendall(b"drain\n")
            self.assertEqual(client.recv(1), b"")
            client.close()
            self.assertEqual(board.process.wait(PATIENCE), 0)
            self.assertIn("drained after 1 connections", board.log())

    def test_a_board_without_clients_ends_at_once(self):
        with Board(ELF) as board:
            self.assertEqual(board.drain(), 0)


if __name__ == "__main__":
    ELF = sys.argv.pop(1)
    unittest.main(verbosity=2)
