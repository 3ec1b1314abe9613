"""SIGTERM to a process: no request is lost, and readiness fails first."""

import contextlib
import math
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.facade_process import facade_process
from tests.support.waiting import until

ASKED = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
_IDLE_S = 0.8


class Load:
    """Keep-alive clients that send the next request after each response."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.responses = 0
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(8)]

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        yield self
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        """Send requests until nothing listens any more. Each one has to get a response."""
        while True:
            try:
                made = socket.create_connection(("127.0.0.1", self._port), 10)
            except ConnectionRefusedError:
                return
            with made, made.makefile("rb") as responses:
                self._keep_asking(made, responses)

    def _keep_asking(self, made: socket.socket, responses: Any) -> None:
        again, count = True, 0
        while again:
            count += 1
            since, sent = time.monotonic(), math.inf
            try:
                made.sendall(ASKED)
                sent = time.monotonic()
                head = b"".join(iter(responses.readline, b"\r\n"))
                assert responses.read(5) == b"hello", head
            except (OSError, AssertionError) as error:
                # A client that its machine kept waiting was idle: its connection may be closed meanwhile.
                if min(sent, time.monotonic()) - since < _IDLE_S:
                    self.failed.append(f"{error!r} as request {count} of its connection")
                return
            self.responses += 1
            again = b"Connection: close" not in head


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("pause", ["0s", "500ms"])
def test_no_request_of_clients_under_way_is_lost(tmp_path: Path, workers: str, pause: str) -> None:
    with facade_process(tmp_path, "--workers", workers, "--pause", pause) as facade:
        load = Load(facade.port)
        with load.running():
            until(lambda: load.responses > 500)
            assert facade.stop() == 0
        assert load.failed == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_readiness_flips_first(tmp_path: Path, workers: str) -> None:
    with facade_process(tmp_path, "--workers", workers, "--pause", "1s") as facade:
        assert facade.get("/readyz", admin=True)[0] == 200
        facade.popen.send_signal(signal.SIGTERM)
        until(lambda: facade.get("/readyz", admin=True)[0] == 503)
        assert facade.admin_json("/readyz")["status"] == "stopping"
        assert facade.get("/healthz", admin=True)[0] == 200
        assert facade.get("/hello") == (200, b"hello")
        assert facade.popen.wait(10) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with facade_process(tmp_path, "--pause", "10m") as facade:
        facade.popen.send_signal(signal.SIGTERM)
        until(lambda: facade.get("/readyz", admin=True)[0] == 503)
        assert facade.stop(signal.SIGINT) == 0


def test_a_blocked_event_loop_responds_to_no_probe(tmp_path: Path) -> None:
    with facade_process(tmp_path) as facade:
        until(lambda: facade.total("facade_event_loop_lag_seconds") > 0)
        facade.popen.send_signal(signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", facade.admin.port)) as asking:
            asking.settimeout(1)
            asking.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            with pytest.raises(TimeoutError):
                asking.recv(100)
        facade.popen.send_signal(signal.SIGCONT)
        until(lambda: facade.get("/healthz", admin=True)[0] == 200)
        # The gauge remembers what no probe can tell afterwards.
        until(lambda: facade.total("facade_event_loop_lag_seconds") > 0.5)
        assert facade.stop() == 0
