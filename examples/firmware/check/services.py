"""Checks of the other services on an emulated board, by curl and by real TCP clients.

    python3 check/services.py ELF...

A file's name ends in the name of its service: `http`, `chat`, `async_frames` or `async_proxy`; or
in the name of what it runs in, `embassy`, `rtic_echo`, `dhcp` or `smallest`.
"""

import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from board import PATIENCE, Board, BoardCase, exchange, free_ports, receive, wait_for

LINE = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n"
MACHINE = os.environ.get("SELKIE_MACHINE", "lm3s6965evb")
RELAY = pathlib.Path(__file__).resolve().parent / "relay.py"
ELVES = {}


class Case(BoardCase):
    """One board for all tests of a class; each leaves it without clients."""

    service = ""
    port = 7
    network = "restrict=on"

    @classmethod
    def setUpClass(cls):
        if cls.service not in ELVES:
            raise unittest.SkipTest(f"no firmware of the service {cls.service} was given")
        cls.board = Board(ELVES[cls.service], cls.port, cls.network)
        cls.addClassCleanup(cls.board.stop)

    @classmethod
    def tearDownClass(cls):
        used = cls.board.counters()["stack_max"]
        print(f"stack of {cls.service}: {used} bytes used at most", file=sys.stderr)

    def setUp(self):
        self.clients = []
        wait_for(lambda: self.board.counters()["open"] == 0, "the last client to leave")

    def tearDown(self):
        for client in self.clients:
            client.close()
        self.board.check()

    def connect(self):
        client = self.board.connect()
        self.clients.append(client)
        return client


class Http(Case):
    """The HTTP server, by curl where that is possible."""

    service = "http"
    port = 80

    def url(self, path):
        self.board.turn += 1
        return f"http://127.0.0.1:{self.board.ports[self.board.turn % len(self.board.ports)]}{path}"

    def curl(self, *arguments):
        """Returns what curl prints."""
        # A port of its own, for the reason that `Board.connect` has.
        [port] = free_ports(1)
        command = ["curl", "-sS", "--local-port", f"{port}-{port + 9}"]
        command += ["--max-time", str(PATIENCE), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout

    def test_get_and_head(self):
        head, body = self.curl("-i", self.url("/")).split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertNotIn(b"date:", head.lower(), "the board does not know the time of day")
        self.assertEqual(body, b"Hello from Selkie.\n")
        self.assertIn(b"Content-Length: 19", self.curl("-I", self.url("/")))

    def test_requests_share_a_connection(self):
        url = self.url("/")
        out = self.curl("-w", "%{num_connects}\n", url, url, url)
        self.assertEqual(out, b"".join(b"Hello from Selkie.\n%d\n" % new for new in (1, 0, 0)))

    def test_a_long_reply_is_streamed(self):
        body = self.curl(self.url("/bytes/300000"))
        self.assertTrue(body == (LINE * (300000 // 64 + 1))[:300000], f"{len(body)} bytes")

    def test_bodies_are_echoed_with_a_length_and_in_chunks(self):
        with tempfile.NamedTemporaryFile() as file:
            data = random.Random(1).randbytes(50_000)
            file.write(data)
            file.flush()
            body = f"@{file.name}"
            for more in ([], ["-H", "Transfer-Encoding: chunked"]):
                echoed = self.curl("--data-binary", body, *more, self.url("/echo"))
                self.assertTrue(echoed == data, f"{len(echoed)} bytes with {more}")

    def test_errors_are_answered(self):
        for status, *arguments in (
            (404, self.url("/missing")),
            (405, "-X", "DELETE", self.url("/")),
            (431, "-H", "X-Long: " + "x" * 3000, self.url("/")),
            (400, "-H", "Content-Length: many", self.url("/echo")),
        ):
            code = self.curl("-o", "/dev/null", "-w", "%{http_code}", *arguments)
            self.assertEqual(int(code), status)

    def test_pipelined_requests_and_those_in_single_bytes(self):
        client = self.connect()
        request = b"GET / HTTP/1.1\r\nHost: board\r\n\r\n"
        client.sendall(request)
        reply = b""
        while not reply.endswith(b"Selkie.\n"):
            reply += receive(client, 1)
        client.sendall(request * 20)
        self.assertTrue(receive(client, 20 * len(reply)) == 20 * reply)
        for byte in request:
            client.sendall(bytes([byte]))
        self.assertEqual(receive(client, len(reply)), reply)

    def test_more_clients_than_sockets_get_their_turn(self):
        bodies = []
        clients = [
            threading.Thread(target=lambda: bodies.append(self.curl(self.url("/bytes/20000"))))
            for _ in range(6)
        ]
        for client in clients:
            client.start()
            time.sleep(0.05)
        for client in clients:
            client.join()
        self.assertEqual([len(body) for body in bodies], [20000] * 6)


class Chat(Case):
    """The chat, by several clients."""

    service = "chat"
    port = 7000

    def join(self, nick):
        client = self.connect()
        self.assertEqual(receive(client, 15), b"your nickname?\n")
        client.sendall(nick + b"\n")
        return client

    def expect(self, client, text):
        self.assertEqual(receive(client, len(text)), text)

    def test_lines_go_to_all_others(self):
        ann = self.join(b"ann")
        bob = self.join(b"bob")
        self.expect(ann, b"bob joined\n")
        cat = self.join(b"cat")
        self.expect(ann, b"cat joined\n")
        self.expect(bob, b"cat joined\n")
        for turn in range(30):
            ann.sendall(b"line %d\n" % turn)
            for other in (bob, cat):
                self.expect(other, b"ann: line %d\n" % turn)
        bob.close()
        self.expect(ann, b"bob left\n")
        self.expect(cat, b"bob left\n")

    def test_lines_that_are_too_long_are_refused(self):
        client = self.join(b"ann")
        client.sendall(b"x" * 600 + b"\n")
        self.expect(client, b"a line has at most 511 bytes\n")
        self.assertEqual(client.recv(1), b"")

    @unittest.skipIf(MACHINE != "lm3s6965evb", "it takes a while, and is the same on all boards")
    def test_a_reader_that_takes_nothing_is_disconnected_and_delays_no_other(self):
        ann = self.join(b"ann")
        bob = self.join(b"bob")
        self.expect(ann, b"bob joined\n")
        stalled = self.join(b"slow")
        self.expect(ann, b"slow joined\n")
        self.expect(bob, b"slow joined\n")
        line, heard = b"ann: " + b"y" * 500 + b"\n", b""
        # QEMU and the host take some megabytes for the one that does not read.
        for _ in range(20_000):
            ann.sendall(line[5:])
            # Bob hears the line, or before it that the slow one has left.
            heard = receive(bob, len(line))
            if heard != line:
                break
        heard += receive(bob, len(b"slow left\n"))
        self.assertIn(b"slow left\n", heard)
        bob.sendall(b"still here\n")
        self.expect(ann, b"slow left\nbob: still here\n")
        stalled.close()


class AsyncFrames(Case):
    """The framed protocol as tasks."""

    service = "async_frames"

    def request(self, client, frame):
        client.sendall(len(frame).to_bytes(2, "big") + frame)

    def response(self, client):
        return receive(client, int.from_bytes(receive(client, 2), "big"))

    def test_requests_are_answered_and_a_wait_delays_no_other(self):
        waiting, other = self.connect(), self.connect()
        start = time.monotonic()
        self.request(waiting, b"w" + (1500).to_bytes(2, "big"))
        for turn in range(50):
            self.request(other, b"e%d" % turn)
            self.assertEqual(self.response(other), b"%d" % turn)
        self.request(other, b"uhello")
        self.assertEqual(self.response(other), b"HELLO")
        self.assertEqual(self.response(waiting), b"w")
        self.assertGreater(time.monotonic() - start, 1.4)

    def test_many_frames_in_one_segment(self):
        client = self.connect()
        client.sendall(b"\0\3eab\0\1?" * 60)
        for _ in range(60):
            self.assertEqual(self.response(client), b"ab")
            self.assertEqual(self.response(client), b"?")

    def test_a_frame_that_is_too_long_and_one_that_does_not_end(self):
        client = self.connect()
        client.sendall(b"\1\1")
        self.assertEqual(self.response(client), b"!too long")
        self.assertEqual(client.recv(1), b"")
        client = self.connect()
        client.sendall(b"\0\5e")
        self.assertEqual(self.response(client), b"!timed out")
        self.assertEqual(client.recv(1), b"")


class AsyncProxy(Case):
    """The proxy as tasks, to a server on the host."""

    service = "async_proxy"

    @classmethod
    def setUpClass(cls):
        cls.server = socket.create_server(("127.0.0.1", 0))
        cls.addClassCleanup(cls.server.close)
        cls.server.settimeout(PATIENCE)
        relay = f"{sys.executable} {RELAY} {cls.server.getsockname()[1]}"
        cls.network = f"restrict=on,guestfwd=tcp:10.0.2.100:7100-cmd:{relay}"
        super().setUpClass()

    def pair(self):
        """Returns a client, and the end of its connection at the server."""
        client = self.connect()
        server, _ = self.server.accept()
        server.settimeout(PATIENCE)
        self.clients.append(server)
        return client, server

    def test_bytes_go_both_ways(self):
        client, server = self.pair()
        data = random.Random(2).randbytes(100_000)
        for source, target in ((client, server), (server, client)):
            sender = threading.Thread(target=source.sendall, args=(data,))
            sender.start()
            received = receive(target, len(data))
            sender.join()
            self.assertTrue(received == data, f"{len(received)} bytes")

    def test_each_direction_ends_by_itself(self):
        client, server = self.pair()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive(server, 9), b"question")
        server.sendall(b"answer")
        server.close()
        self.assertEqual(receive(client, 7), b"answer")

    def test_two_clients_at_once_and_more_in_turn(self):
        for _ in range(3):
            pairs = [self.pair(), self.pair()]
            for client, server in pairs:
                client.sendall(b"hello")
                self.assertEqual(receive(server, 5), b"hello")
                self.assertEqual(exchange(server, b""), b"")
            for client, server in pairs:
                client.close()
                self.assertEqual(server.recv(1), b"")
                server.close()
            wait_for(lambda: self.board.counters()["open"] == 0, "the clients to leave")


class Tasks(unittest.TestCase):
    """An echo without a console: in a main loop, or the tasks of somebody else's executor."""

    elves = []

    def test_interleaved_clients_churn_and_a_half_close(self):
        for elf in self.elves:
            with self.subTest(elf), self.board(elf) as board:
                self.check_clients(board)
                for _ in range(20):
                    with board.connect() as client:
                        self.assertEqual(exchange(client, b"in and out"), b"in and out")
                with board.connect() as client:
                    data = random.Random(3).randbytes(100_000)
                    sender = threading.Thread(target=self.send_all, args=(client, data))
                    sender.start()
                    received = receive(client, len(data) + 1)
                    sender.join()
                    self.assertTrue(received == data, f"{len(received)} bytes")
                self.check_clients(board)
                if elf.endswith("embassy"):
                    wait_for(lambda: "2 s in another task" in board.log(), "the other task")
                board.check()

    def board(self, elf):
        return Board(elf, has_console=False)

    def check_clients(self, board):
        clients = [board.connect() for _ in range(4)]
        for turn in range(30):
            for number, client in enumerate(clients):
                client.sendall(b"%d of %d" % (turn, number))
            for number, client in enumerate(clients):
                wanted = b"%d of %d" % (turn, number)
                self.assertEqual(receive(client, len(wanted)), wanted)
        for client in clients:
            client.close()

    @staticmethod
    def send_all(client, data):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)


class Dhcp(Tasks):
    """An address from DHCP, and messages beside the server."""

    address = "10.0.3.77"

    def board(self, elf):
        [self.messages] = free_ports(1)
        # A network that is cut off takes no messages from the board.
        network = f"restrict=off,net=10.0.3.0/24,dhcpstart={self.address}"
        network += f",hostfwd=udp:127.0.0.1:{self.messages}-{self.address}:7"
        return Board(elf, network=network, has_console=False, address=self.address)

    def check_clients(self, board):
        self.assertIn(f"listening on {self.address}:7", board.log())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            for turn in range(20):
                self.ask(client, b"message %d" % turn)
        super().check_clients(board)

    def ask(self, client, message):
        """Sends a message until it is sent back: a lost one is no failure."""
        for _ in range(20):
            client.sendto(message, ("127.0.0.1", self.messages))
            try:
                while client.recv(100) != message:
                    pass
                return
            except TimeoutError:
                pass
        self.fail("no message is sent back")


def service_of(elf):
    """Returns the class of tests for a firmware."""
    for case in (Http, Chat, AsyncFrames, AsyncProxy):
        if pathlib.Path(elf).name.endswith(case.service):
            ELVES[case.service] = elf
            return case
    if elf.endswith(("embassy", "rtic_echo", "smallest")):
        Tasks.elves = [*Tasks.elves, elf]
        return Tasks
    if elf.endswith("dhcp"):
        Dhcp.elves = [elf]
        return Dhcp
    raise SystemExit(f"no checks for {elf}")


if __name__ == "__main__":
    cases = dict.fromkeys(service_of(elf) for elf in sys.argv[1:])
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromTestCase(case) for case in cases
    )
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
