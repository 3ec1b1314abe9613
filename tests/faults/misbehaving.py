"""Backends that misbehave, each connection in a thread of its own: for mirrors, whose backends may do anything."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BODY = b"x" * 20_000

Behave = Callable[[socket.socket, threading.Event], None]


def hangs(connection: socket.socket, ended: threading.Event) -> None:
    ended.wait()


def resets(connection: socket.socket, ended: threading.Event) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def floods(connection: socket.socket, ended: threading.Event) -> None:
    """A head without end."""
    while not ended.is_set():
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000)


def answers_a_gigabyte(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    piece = bytes(1024 * 1024)
    for _ in range(1024):
        connection.sendall(piece)


def drips(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n")
    while not ended.wait(0.05):
        connection.sendall(b"x")


def responds(connection: socket.socket, ended: threading.Event) -> None:
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY))


@contextmanager
def backend(behave: Behave) -> Iterator[str]:
    """A backend with a thread for each connection. Yields its URL."""
    ended = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)

    def serve(connection: socket.socket) -> None:
        with connection:
            with contextlib.suppress(OSError):  # The facade may close the connection.
                behave(connection, ended)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
