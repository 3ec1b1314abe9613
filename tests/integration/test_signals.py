"""Signals to `facade serve`: reload and reopen lose no request, and nothing but a shutdown ends the process."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.integration.tables import one_backend
from tests.support.facade_process import TABLE, FacadeProcess, facade_process
from tests.support.waiting import until

RELOADING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
GET = b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate"
EVERYWHERE = pytest.mark.parametrize("workers", ["1", "2"])


@contextlib.contextmanager
def request_in_flight(
    folder: Path, *arguments: str
) -> Iterator[tuple[FacadeProcess, socket.socket, socket.socket]]:
    """A facade, a client that waits for its response, and the connection on which the backend got the request."""
    with socket.create_server(("127.0.0.1", 0)) as backend:
        backend.settimeout(10)
        table = one_backend(f"http://127.0.0.1:{backend.getsockname()[1]}")
        with facade_process(folder, *arguments, table=table) as facade:
            with socket.create_connection(("127.0.0.1", facade.port), 10) as client:
                client.sendall(GET)
                upstream, _ = backend.accept()
                with upstream:
                    upstream.settimeout(10)
                    assert upstream.recv(4000).startswith(b"GET /slow ")
                    yield facade, client, upstream


def response(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(4000), b""))


@pytest.mark.parametrize("tier", ["fast", "asgi"])
@EVERYWHERE
def test_no_reload_signal_loses_a_request_or_ends_the_process(
    tmp_path: Path, workers: str, tier: str
) -> None:
    with request_in_flight(tmp_path, "--workers", workers, "--tier", tier) as (
        facade,
        client,
        upstream,
    ):
        before = facade.children()
        for number in RELOADING:
            facade.popen.send_signal(number)
        until(lambda: facade.logged("is in effect, and unchanged"))
        until(lambda: facade.logged("most recent call first"))
        upstream.sendall(OK)
        assert response(client).endswith(b"late")
        assert facade.children() == before
        assert facade.stop() == 0


@EVERYWHERE
def test_reload_signals_during_the_shutdown_do_not_cut_it_short(
    tmp_path: Path, workers: str
) -> None:
    with request_in_flight(tmp_path, "--workers", workers) as (facade, client, upstream):
        facade.popen.send_signal(signal.SIGTERM)
        until(lambda: facade.logged("stopping"))
        for number in (signal.SIGHUP, signal.SIGUSR1):
            facade.popen.send_signal(number)
        upstream.sendall(OK)
        assert response(client).endswith(b"late")
        assert facade.popen.wait(15) == 0


@EVERYWHERE
def test_quit_is_a_graceful_shutdown(tmp_path: Path, workers: str) -> None:
    with request_in_flight(tmp_path, "--workers", workers) as (facade, client, upstream):
        facade.popen.send_signal(signal.SIGQUIT)
        until(lambda: facade.logged("stopping"))
        upstream.sendall(OK)
        assert response(client).endswith(b"late")
        assert facade.popen.wait(15) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
@EVERYWHERE
def test_a_renamed_access_log_gets_no_more_lines_and_none_is_lost(
    tmp_path: Path, workers: str, number: signal.Signals
) -> None:
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    with facade_process(tmp_path, "--workers", workers, "--access-log", str(log)) as facade:
        for _ in range(40):
            assert facade.get("/hello") == (200, b"hello")
        log.rename(rotated)
        facade.popen.send_signal(number)
        until(lambda: log.exists() and reopened(facade) == int(workers))
        old = rotated.read_bytes()
        for _ in range(40):
            assert facade.get("/hello") == (200, b"hello")
        assert facade.stop() == 0
    assert rotated.read_bytes() == old
    lines = (old + log.read_bytes()).splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200] * 80
    assert log.read_bytes().count(b"\n") >= 40


def reopened(facade: FacadeProcess) -> int:
    return sum("access log: opened" in line for line in facade.log)


def test_no_request_is_lost_while_the_log_is_rotated_again_and_again(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    statuses: list[int] = []
    with facade_process(tmp_path, "--workers", "2", "--access-log", str(log)) as facade:

        def load() -> None:
            for _ in range(200):
                statuses.append(facade.get("/hello")[0])

        clients = [threading.Thread(target=load) for _ in range(3)]
        for client in clients:
            client.start()
        for number in range(1, 9):
            until(log.exists)
            log.rename(f"{log}.{number}")
            facade.popen.send_signal(signal.SIGUSR1 if number % 2 else signal.SIGHUP)
        for client in clients:
            client.join(60)
        assert statuses == [200] * 600
        assert facade.stop() == 0
    lines = [line for each in tmp_path.glob("access.log*") for line in each.read_text().split()]
    assert sum('"status":200' in line for line in lines) == 600


@EVERYWHERE
def test_a_reload_reports_a_table_that_cannot_be_used_each_time(
    tmp_path: Path, workers: str
) -> None:
    with facade_process(tmp_path, "--workers", workers) as facade:
        good = TABLE.replace("hello", "hi")
        (tmp_path / "routes.yaml").write_text(good)
        facade.popen.send_signal(signal.SIGHUP)
        until(lambda: versions(facade) == [sha256(good.encode()).hexdigest()[:12]] * int(workers))
        (tmp_path / "routes.yaml").write_text("version: 1\n")
        for times in (1, 2, 3):
            facade.popen.send_signal(signal.SIGHUP)
            until(lambda times=times: kept(facade) >= times)  # type: ignore[misc]
        assert facade.get("/hi") == (200, b"hi")
        assert facade.stop() == 0


def versions(facade: FacadeProcess) -> list[str]:
    """The version of the table in each worker."""
    return [
        dict(labels)["version"]
        for (name, labels), _ in facade.metrics().items()
        if name == "facade_worker_table_info"
    ]


def kept(facade: FacadeProcess) -> int:
    return sum("kept table" in line for line in facade.log)


@pytest.mark.parametrize("abstract", [False, True])
@EVERYWHERE
def test_the_service_manager_is_notified(
    tmp_path: Path, workers: str, abstract: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"facade-test-{os.getpid()}-{workers}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        with facade_process(tmp_path, "--workers", workers) as facade:
            assert manager.recv(100) == b"READY=1"
            assert facade.get("/hello") == (200, b"hello")
            facade.popen.send_signal(signal.SIGHUP)
            assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(100) == b"READY=1"
            facade.popen.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert facade.popen.wait(15) == 0


def test_a_service_manager_that_is_gone_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nowhere"))
    with facade_process(tmp_path) as facade:
        assert facade.get("/hello") == (200, b"hello")
        until(lambda: facade.logged("cannot notify the service manager"))
