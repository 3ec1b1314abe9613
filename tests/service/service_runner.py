"""Runs the service on a free port: on a thread of this process, or as its own process."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
from starlette.types import ASGIApp

from flightspecial_service.interface.http.connection import Limits
from flightspecial_service.server import Server, Service, bound, url_of
from flightspecial_service.settings import DatabaseSettings, EdgeSettings

DEADLINE_S = 20.0
OPEN = EdgeSettings(special_writes=True)
"""Everybody may create, change and delete specials."""
ROOT = Path(__file__).parents[2]


@contextmanager
def serving(service: Service | ASGIApp, limits: Limits | None = None) -> Iterator[httpx.Client]:
    """Serve on a thread; yield a client; stop the service."""
    with serving_both(service, limits) as (client, _):
        yield client


@contextmanager
def serving_both(
    service: Service | ASGIApp, limits: Limits | None = None
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Serve on a thread; yield a client for the API and one for the operations listener."""
    addresses: Queue[str] = Queue()
    whole = service if isinstance(service, Service) else Service(service)
    server = Server(whole, addresses.put, limits=limits)
    with bound("127.0.0.1", 0) as listener, bound("127.0.0.1", 0) as operations:
        thread = threading.Thread(target=server.run, args=([listener, operations],))
        thread.start()
        try:
            url = addresses.get(timeout=DEADLINE_S)
            with (
                httpx.Client(base_url=url, timeout=DEADLINE_S) as client,
                httpx.Client(base_url=url_of(operations), timeout=DEADLINE_S) as operator,
            ):
                yield client, operator
        finally:
            server.should_exit = True
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


class Process:
    """`python -m flightspecial_service serve --port 0`, its log, and a client for it."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self.popen = popen
        self.log: list[dict[str, Any]] = []
        self._new_line = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, message: str) -> dict[str, Any]:
        """Wait for the first line of the log with this message."""

        def first() -> dict[str, Any] | None:
            return next((line for line in self.log if message in line["message"]), None)

        with self._new_line:
            line = self._new_line.wait_for(first, DEADLINE_S)
        assert line is not None, f"no {message!r} in {self.log}"
        return line

    def operator(self) -> httpx.Client:
        """A client for its operations listener."""
        url = self.wait_for("serving operations")["url"]
        return httpx.Client(base_url=url, timeout=DEADLINE_S)

    def exit_status(self) -> int:
        """Wait for its exit. The log is complete then."""
        status = self.popen.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for text in self.popen.stderr:
            # Messages of the command line are plain text.
            line = json.loads(text) if text.startswith("{") else {"message": text.rstrip()}
            with self._new_line:
                self.log.append(line)
                self._new_line.notify_all()


def variables(database: DatabaseSettings, **more: str) -> dict[str, str]:
    """The environment variables for this database."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USERNAME": database.username,
        "DB_PASSWORD": database.password.reveal(),
        "DB_DATABASE_NAME": database.name,
        "FEATURE_SPECIAL_WRITES": "on",
        "OPS_PORT": "0",
        **more,
    }


def command(*arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `flightspecials` with these arguments until it exits."""
    return subprocess.run(
        [sys.executable, "-m", "flightspecial_service", *arguments],
        cwd=ROOT,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@contextmanager
def process(env: Mapping[str, str]) -> Iterator[tuple[Process, httpx.Client]]:
    """The service as a process that listens. It is killed at the end of the block."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "flightspecial_service", "serve", "--port", "0"],
        cwd=ROOT,
        env=dict(env),
        stderr=subprocess.PIPE,
        text=True,
    )
    service = Process(popen)
    try:
        url = service.wait_for("listening")["url"]
        with httpx.Client(base_url=url, timeout=DEADLINE_S) as client:
            yield service, client
    finally:
        popen.kill()
        service.exit_status()
        assert popen.stderr is not None
        popen.stderr.close()


def eventually(holds: Callable[[], bool]) -> None:
    """Poll until `holds` is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.02)


def eventually_ready(client: httpx.Client) -> None:
    """Wait until the service is ready."""
    eventually(lambda: client.get("/readyz").status_code == 200)
