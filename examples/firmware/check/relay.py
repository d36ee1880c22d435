"""Relays between standard input and output, which are a socket, and a port of 127.0.0.1.

QEMU runs it for each connection of the board to the host: `guestfwd=...-cmd:python3 relay.py PORT`.
"""

import socket
import sys
import threading


def copy(source, target):
    """Passes on what is received, and the end of it."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


board = socket.socket(fileno=0)
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
back = threading.Thread(target=copy, args=(server, board))
back.start()
copy(board, server)
back.join()
