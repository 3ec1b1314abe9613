"""The local stack of the story: `make up` on free ports, with data that end with it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_START_S = 120.0
_STOP_S = 60.0


class NotUp(Exception):
    """The stack did not start."""


@dataclass(frozen=True)
class Ports:
    """Where the parts listen."""

    facade: int
    admin: int
    service: int
    legacy: int


@dataclass(frozen=True)
class Stack:
    """A stack that is up."""

    ports: Ports
    routes: Path


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, no two the same."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def up(folder: Path, ports: Ports, table: str) -> Iterator[Stack]:
    """The stack with a first table."""
    stack = Stack(ports, folder / "routes.yaml")
    stack.routes.write_text(table)
    environ = {
        **os.environ,
        "FACADE_PORT": str(ports.facade),
        "ADMIN_PORT": str(ports.admin),
        "SERVICE_PORT": str(ports.service),
        "LEGACY_PORT": str(ports.legacy),
        "DATA_DIR": str(folder / "data"),
        "FACADE_ROUTES": str(stack.routes),
    }
    output = folder / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local"],
            cwd=ROOT, env=environ, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, f"http://127.0.0.1:{ports.admin}/readyz", output)
        yield stack
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, output: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotUp(f"the stack did not come up:\n{output.read_text()}")
        time.sleep(0.1)
