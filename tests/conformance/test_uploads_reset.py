"""Backends that respond to the head of an upload and close at once: the kernel resets the connection (RFC 9112 9.5)."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, facade, table
from tests.support.certificates import Authority, server_context
from tests.support.hasty_backend import hasty, upload
from tests.support.wire import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _check(tier: Tier, folder: Path, routes: str, size: int, times: int) -> None:
    async with facade(tier, routes, folder) as up:
        address = up.listen.host, up.listen.port
        for _ in range(times):
            received = await asyncio.to_thread(upload, address, size)
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n"), received
            assert body == b"denied"


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
    """RFC 9112 9.5."""
    with hasty(read_bytes, body_bytes) as url:
        await _check(tier, tmp_path, table(url), size, times)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [100_000, 1_000_000, 8_000_000])
async def test_a_response_over_TLS_before_a_reset_reaches_the_client(
    tier: Tier, tmp_path: Path, size: int, version: ssl.TLSVersion
) -> None:
    """RFC 9112 9.5."""
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.chain())
    server = server_context(tmp_path, authority.issue("127.0.0.1"))
    server.minimum_version = server.maximum_version = version
    with hasty(8192, tls=server) as url:
        routes = table(url, backend=f"tls: {{ca_file: {tmp_path}/ca.pem}}")
        await _check(tier, tmp_path, routes, size, 20)


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
