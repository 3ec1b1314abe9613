"""The stand-in as a process, and requests to it byte by byte."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

ROOT = Path(__file__).parents[3]
_START_S = 60
_LIMIT_S = 30


@dataclass(frozen=True)
class Reply:
    """A response; field names are in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def field(self, name: str) -> str | None:
        """The value of a field that is there once at most."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True)
class StandIn:
    """A stand-in that serves."""

    port: int
    control_port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), _LIMIT_S)

    def send(self, method: str, target: str, *fields: str) -> Reply:
        """One request on a connection of its own. The target goes out as it stands."""
        with self.connect() as connection:
            return exchange(connection, method, target, *fields, "Connection: close")

    def get(self, target: str, *fields: str) -> Reply:
        return self.send("GET", target, *fields)

    def control(self, method: str, body: str = "", *fields: str, path: str = "/database") -> Reply:
        """One request to the control listener."""
        host = () if any(field.startswith("Host:") for field in fields) else ("Host: localhost",)
        length = f"Content-Length: {len(body)}"
        with socket.create_connection(("127.0.0.1", self.control_port), _LIMIT_S) as connection:
            head = "\r\n".join((f"{method} {path} HTTP/1.1", *host, *fields, length, "", ""))
            connection.sendall(head.encode() + body.encode())
            return _read(connection, method)


def exchange(connection: socket.socket, method: str, target: str, *fields: str) -> Reply:
    """One request and its response; the connection stays as the stand-in leaves it."""
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: shop.example", *fields, "", ""))
    connection.sendall(head.encode())
    return _read(connection, method)


@contextmanager
def running(*options: str, environ: Mapping[str, str] | None = None) -> Iterator[StandIn]:
    """A stand-in on free ports."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        port, control_port = one.getsockname()[1], two.getsockname()[1]
    ports = ("--port", str(port), "--control-port", str(control_port))
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.travelbuddy", *ports, *options],
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
    )
    started = StandIn(port, control_port, process)
    try:
        _wait(started)
        yield started
    finally:
        process.terminate()
        try:
            process.wait(_LIMIT_S)
        finally:
            process.kill()


def _wait(started: StandIn) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert started.process.poll() is None, "the stand-in ended"
        with suppress(OSError, HTTPException):
            if started.get("/travelbuddy/health").body == b"OK" and started.control("GET").body:
                return
        time.sleep(0.05)
    raise AssertionError("the stand-in did not start")


def _read(connection: socket.socket, method: str) -> Reply:
    response = HTTPResponse(connection, method=method)
    response.begin()
    fields = [(name.lower(), value) for name, value in response.getheaders()]
    return Reply(response.status, fields, response.read())
