"""Backends that respond to the head of an upload and close at once: the kernel resets the connection (RFC 9112 9.5)."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, facade, table
from tests.support.wire import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
def hasty(read_bytes: int, body_bytes: int) -> Iterator[str]:
    """The address of a backend that reads a head, by `read_bytes` at a time, and `body_bytes`; responds and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                with sock, contextlib.suppress(OSError):
                    answer(sock, read_bytes, body_bytes)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
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


@pytest.mark.parametrize(
    ("size", "read_bytes", "body_bytes", "times"),
    [
        pytest.param(1_000_000, 1, 0, 40, id="1 MB, of which nothing is read"),
        pytest.param(3_000_000, 1, 0, 40, id="3 MB, of which nothing is read"),
        pytest.param(8_000_000, 1, 0, 20, id="8 MB, of which nothing is read"),
        # gunicorn reads 8 KiB at a time, so the first bytes of the body come with the head.
        pytest.param(1_000_000, 8192, 0, 40, id="1 MB, as gunicorn reads"),
        pytest.param(3_000_000, 8192, 0, 40, id="3 MB, as gunicorn reads"),
        pytest.param(8_000_000, 8192, 0, 20, id="8 MB, as gunicorn reads"),
        pytest.param(3_000_000, 8192, 1_000_000, 20, id="3 MB, of which a third is read"),
    ],
)
async def test_a_response_before_a_reset_reaches_the_client(
    tier: Tier, tmp_path: Path, size: int, read_bytes: int, body_bytes: int, times: int
) -> None:
    with hasty(read_bytes, body_bytes) as url:
        async with facade(tier, table(url), tmp_path) as up:
            address = up.listen.host, up.listen.port
            for _ in range(times):
                received = await asyncio.to_thread(upload, address, size)
                head, _, body = received.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n"), received
                assert body == b"denied"


async def test_a_connection_that_is_reset_without_a_response_is_an_error(
    tier: Tier, tmp_path: Path
) -> None:
    def serve(listening: socket.socket) -> None:
        sock, _ = listening.accept()
        with sock:
            sock.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with facade(tier, table(url), tmp_path) as up:
            address = up.listen.host, up.listen.port
            received = await asyncio.to_thread(upload, address, 1_000_000)
        thread.join(DEADLINE_S)
    assert received.startswith(b"HTTP/1.1 502 "), received
