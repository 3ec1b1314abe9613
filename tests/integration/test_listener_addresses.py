"""Addresses of the traffic listener beside host and port: a Unix socket, and all addresses of both families."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from proxy.server.settings import Address, Tier
from tests.integration.tables import one_backend
from tests.integration.test_serve_process import refused
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.facade_process import TABLE, facade_process
from tests.support.origin import ok, origin, responding
from tests.support.waiting import until
from tests.support.wire import Message, Wire

EVERYWHERE = pytest.mark.parametrize("workers", ["1", "2"])
GET = b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def get(path: Path, raw: bytes = GET) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(4000), b""))


@pytest.mark.parametrize("tier", TIERS)
async def test_a_client_on_a_unix_socket_counts_as_loopback(tier: Tier, tmp_path: Path) -> None:
    path, received = tmp_path / "s", list[Message]()
    trusted = "defaults: {forwarded: {trusted_proxies: [127.0.0.1]}}\n"
    async with origin(responding(ok(b"yes"), received)) as backend:
        listen = Address("", 0, str(path))
        text = one_backend(backend.url, trusted)
        async with facade_in_loop(text, tmp_path, tier=tier, listen=listen) as up:
            wire = Wire(*await asyncio.open_unix_connection(path))
            wire.send(b"GET /a HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.7\r\n\r\n")
            assert (await wire.response()).body == b"yes"
            assert (await up.log_lines(1))[0]["client"] == "203.0.113.7"
            await wire.closed()
    assert received[0].head.one(b"x-forwarded-for") == b"203.0.113.7, 127.0.0.1"


@EVERYWHERE
def test_no_request_on_a_unix_socket_is_lost_at_a_shutdown(tmp_path: Path, workers: str) -> None:
    path = tmp_path / "facade.sock"
    responses: list[bytes] = []
    failed: list[str] = []

    def load() -> None:
        while True:
            try:
                responses.append(get(path))
            except ConnectionRefusedError:
                return
            except OSError as error:
                failed.append(repr(error))
                return

    with facade_process(tmp_path, "--listen", f"unix:{path}", "--workers", workers) as facade:
        assert facade.logged(f"facade on http://unix:{path}")
        clients = [threading.Thread(target=load) for _ in range(4)]
        for client in clients:
            client.start()
        until(lambda: len(responses) > 200)
        assert facade.stop() == 0
        for client in clients:
            client.join(20)
    assert failed == []
    assert all(response.endswith(b"hello") for response in responses)


def test_the_socket_of_a_facade_that_was_killed_is_replaced_and_that_of_a_running_one_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "facade.sock"
    with facade_process(tmp_path, "--listen", f"unix:{path}") as facade:
        os.kill(facade.popen.pid, signal.SIGKILL)
        facade.popen.wait(10)
    assert path.exists()
    (tmp_path / "second").mkdir()
    with facade_process(tmp_path / "second", "--listen", f"unix:{path}"):
        assert get(path).endswith(b"hello")
        routes = str(tmp_path / "routes.yaml")
        message = refused("--routes", routes, "--listen", f"unix:{path}")
        assert f"cannot listen on unix:{path}: Address already in use" in message
        assert get(path).endswith(b"hello")


def test_another_file_is_never_replaced(tmp_path: Path) -> None:
    path, routes = tmp_path / "file", tmp_path / "routes.yaml"
    path.write_text("precious")
    routes.write_text(TABLE)
    message = refused("--routes", str(routes), "--listen", f"unix:{path}")
    assert "Address already in use" in message
    assert path.read_text() == "precious"


@EVERYWHERE
def test_a_star_is_all_addresses_of_both_families(tmp_path: Path, workers: str) -> None:
    with facade_process(tmp_path, "--listen", "*:0", "--workers", workers) as facade:
        for host in ("127.0.0.1", "::1", "127.0.0.5"):
            client = http.client.HTTPConnection(host, facade.port, timeout=10)
            with contextlib.closing(client):
                client.request("GET", "/hello")
                assert client.getresponse().read() == b"hello"
        assert facade.stop() == 0
