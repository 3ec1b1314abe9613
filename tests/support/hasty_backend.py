"""A backend that responds to the head of an upload and closes at once; and a client that uploads as plain ones do."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from tests.support.wire import DEADLINE_S

POST = (
    b"POST /a HTTP/1.1\r\nhost: facade.example\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)
DENIED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\nconnection: close\r\n\r\ndenied"
PIECE = b"x" * 64 * 1024


def answer(sock: socket.socket, read_bytes: int, body_bytes: int) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        data = sock.recv(read_bytes)
        if not data:
            return  # A connection that was opened in advance.
        received += data
    while body_bytes > 0 and (data := sock.recv(body_bytes)):
        body_bytes -= len(data)
    sock.sendall(DENIED)


@contextlib.contextmanager
def hasty(read_bytes: int, body_bytes: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a backend that reads a head, by `read_bytes` at a time, and `body_bytes`; responds and closes.

    What it has not read makes the kernel reset the connection (RFC 9112 9.5).
    """
    scheme = "http" if tls is None else "https"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                # Else Nagle's algorithm holds the response back, behind session tickets, until it is lost.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError), sock:
                    if tls is None:
                        answer(sock, read_bytes, body_bytes)
                    else:
                        with tls.wrap_socket(sock, server_side=True) as secure:
                            answer(secure, read_bytes, body_bytes)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE_S)


def upload(address: tuple[str, int], size: int) -> bytes:
    """Send a body as plain blocking clients do: first all of it, or as much as goes; then read."""
    with socket.create_connection(address, DEADLINE_S) as sock:
        received, left = b"", size
        with contextlib.suppress(OSError):
            sock.sendall(POST % size)
            while left > 0:
                left -= sock.send(PIECE[:left])
        with contextlib.suppress(OSError):
            while data := sock.recv(65536):
                received += data
        return received
