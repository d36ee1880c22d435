"""An emulated board with a firmware on it: its console, its log, and ways to its network."""

import atexit
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import log

RUNNER = pathlib.Path(__file__).resolve().parent.parent / "qemu.sh"
# The time that an immediate action may take, on a machine under load.
PATIENCE = 60.0
# QEMU takes one new connection at a time on each port, so there are several.
PORTS = 8
# The times that QEMU is started, if another program has taken one of its ports meanwhile.
STARTS = 3
PORT_TAKEN = ("Address already in use", "Could not set up host forwarding rule")


def memory_kills():
    """Returns the number of processes that the kernel has killed for want of memory, if it says."""
    try:
        lines = pathlib.Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def lasting_ports():
    """Returns the ports that the system gives to no socket by itself.

    A port of the others may go to another program's socket between its choice and its use.
    """
    try:
        path = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
        first, last = map(int, path.read_text().split())
    except OSError:
        first, last = 32_768, 65_535
    ports = range(10_000, 65_536)
    return [port for port in ports if not first <= port <= last] or list(ports)


def free_ports(count):
    """Returns ports that are free: all are bound at once, so that no two are the same."""
    holders = []
    for port in random.sample(lasting_ports(), 1000):
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        holders.append(holder)
        if len(holders) == count:
            break
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    if len(ports) < count:
        raise OSError("there are no free ports")
    return ports


def wait_for(condition, what, patience=PATIENCE):
    """Repeats `condition` until it is true, and returns its value."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(f"waited {patience} seconds for {what}")


# A check that is ended from outside ends its boards before.
signal.signal(signal.SIGTERM, signal.default_int_handler)


class BoardEnded(Exception):
    """Fails if the board has ended unasked: with its status, and its last words."""


class Board:
    """A board that runs the firmware in the file `elf`, until `stop` or the end of a `with`.

    Its TCP port is `port`; `network` is what QEMU gives it, in its words. A board without a console
    has booted when it logs that it listens.
    """

    def __init__(
        self, elf, port=7, network="restrict=on", has_console=True, address="10.0.2.15"
    ):
        self.elf = elf
        self.environment = dict(
            os.environ,
            SELKIE_BOARD_ADDRESS=address,
            SELKIE_BOARD_PORT=str(port),
            SELKIE_NETWORK=network,
        )
        for attempt in range(1, STARTS + 1):
            try:
                self.start(has_console)
                return
            except BoardEnded as error:
                if attempt == STARTS or not any(text in str(error) for text in PORT_TAKEN):
                    raise

    def start(self, has_console):
        """Starts QEMU on ports that are free, and waits until the board has booted."""
        console_port, *self.ports = free_ports(1 + PORTS)
        self.folder = tempfile.TemporaryDirectory()
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.errors_path = pathlib.Path(self.folder.name) / "errors"
        self.monitor_path = pathlib.Path(self.folder.name) / "monitor"
        environment = dict(
            self.environment,
            SELKIE_PORTS=" ".join(map(str, self.ports)),
            SELKIE_SERIAL=f"tcp:127.0.0.1:{console_port},server=on,wait=off",
            SELKIE_LOG=str(self.log_path),
            SELKIE_MONITOR=f"unix:{self.monitor_path},server=on,wait=off",
        )
        self.turn = 0
        self.console = None
        self.kills_before = memory_kills()
        # In a group of its own, so that QEMU goes together with the script that runs it. To a file,
        # since no one reads a pipe while it runs.
        with self.errors_path.open("wb") as errors:
            self.process = subprocess.Popen(
                [RUNNER, self.elf], env=environment, stderr=errors, start_new_session=True
            )
        atexit.register(self.stop)
        try:
            if has_console:
                self.console = wait_for(lambda: self.try_console(console_port), "the console")
                self.unread = b""
                self.wait_until_booted()
            else:
                wait_for(self.is_listening, "the board to listen")
        except BaseException:
            self.stop()
            raise

    def try_console(self, port):
        self.check()
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except ConnectionRefusedError:
            return None

    def is_listening(self):
        self.check()
        return self.log_path.exists() and "listening on" in self.log()

    def wait_until_booted(self):
        """Types until the board answers: what is typed before the UART is on may be lost."""
        self.console.settimeout(0.2)
        wait_for(self.try_answer, "an answer on the console")
        self.console.settimeout(PATIENCE)
        self.ask(b"ready", b"ready")

    def try_answer(self):
        # Another program may have the port that was meant for the console.
        self.check()
        self.console.sendall(b"\nhello?\n")
        try:
            return self.line() == b"hello?"
        except TimeoutError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.state(), file=sys.stderr)
        self.stop()

    def line(self):
        """Returns the next line of the console."""
        while b"\n" not in self.unread:
            try:
                more = self.console.recv(4096)
            except ConnectionError:
                more = b""
            if not more:
                self.check(PATIENCE)
                raise ConnectionError("the console was closed")
            self.unread += more
        line, self.unread = self.unread.split(b"\n", 1)
        return line

    def ask(self, line, last):
        """Types a line, and returns the lines up to one that begins with `last`."""
        self.console.sendall(line + b"\n")
        lines = []
        while not lines or not lines[-1].startswith(last):
            lines.append(self.line())
        return lines

    def counters(self):
        """Returns the report of the counters, as a dictionary."""
        pairs = (line.decode().split() for line in self.ask(b"stats", b"stack_max"))
        return {name: int(value) for name, value in pairs}

    def connect(self):
        """Connects a client. QEMU has accepted it then; the board may do so later, or never."""
        self.turn += 1
        address = ("127.0.0.1", self.ports[self.turn % PORTS])
        client = socket.socket()
        client.settimeout(PATIENCE)
        # The board sees QEMU's address and the client's port, for all ports of QEMU. The system
        # gives one port to two clients of different ports, unless each takes its own first; the
        # board would drop the second one's SYN, as a segment of the first one's connection.
        client.bind(("127.0.0.1", 0))
        try:
            client.connect(address)
        except ConnectionError:
            client.close()
            self.check(PATIENCE)
            raise
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def set_link(self, state):
        """Takes the board's link down by the state "off", and up by "on"."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(PATIENCE)
            monitor.connect(str(self.monitor_path))
            monitor.sendall(b"set_link network %s\n" % state.encode())
            # A prompt at the start, and one when it is done.
            received = b""
            while received.count(b"(qemu)") < 2:
                received += monitor.recv(4096)

    def drain(self):
        """Asks the firmware to stop, and returns its exit code."""
        self.console.sendall(b"drain\n")
        return self.process.wait(PATIENCE)

    def log(self):
        """Returns the log so far, decoded."""
        return "\n".join(log.Decoder(self.elf).lines(self.log_path.read_bytes()))

    def check(self, patience=0.0):
        """Raises `BoardEnded` if QEMU has ended, or ends within `patience` seconds."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return
        # The script that runs QEMU ends as a shell does: 128 and the signal.
        number = status - 128 if status > 128 else -status
        names = {each.value: each.name for each in signal.Signals}
        how = f"status {status}" + (f" ({names[number]})" if number in names else "")
        # The tests kill QEMU in `stop` only, which does not ask: any other killer is outside.
        kills = memory_kills() - self.kills_before
        how += f", while the kernel killed {kills} processes for want of memory"
        errors = self.errors_path.read_text(errors="replace").strip() or "nothing"
        raise BoardEnded(
            f"QEMU has ended with {how}; it printed: {errors}\n"
            f"the last words of the board:\n{self.last_words()}"
        )

    def state(self):
        """What QEMU and the board have to say for themselves, after a check has failed."""
        status = self.process.poll()
        how = "runs" if status is None else f"has ended with status {status}"
        return f"QEMU {how}; the last words of the board:\n{self.last_words()}"

    def last_words(self, count=20):
        """The end of the log, as far as it can be decoded."""
        try:
            lines = self.log().splitlines()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            return f"    (the log cannot be decoded: {error})"
        return "\n".join(f"    {line}" for line in lines[-count:])

    def stop(self):
        atexit.unregister(self.stop)
        if self.console:
            self.console.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, 15)
            self.process.wait(PATIENCE)
        self.folder.cleanup()


class BoardCase(unittest.TestCase):
    """Checks that share a board, `board`; one that fails shows what it says."""

    board = None

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if self.board and len(result.errors) + len(result.failures) > before:
            print(self.board.state(), file=sys.stderr)
        return result


def exchange(client, message):
    """Sends a message, and returns as many bytes of the answer."""
    client.sendall(message)
    return receive(client, len(message))


def receive(client, count):
    """Receives so many bytes, or fewer at the end of the stream."""
    received = b""
    while len(received) < count:
        more = client.recv(count - len(received))
        if not more:
            break
        received += more
    return received
