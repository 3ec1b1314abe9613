"""The very stack that `make up` runs, on free ports, with a table of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.ports import quiet_ports

ROOT = Path(__file__).parents[2]
_START_S = 90


@dataclass(frozen=True)
class Stack:
    """A stack that is up."""

    facade: str
    admin: str
    service: str
    routes: Path
    output: Path
    access_log: Path
    process: subprocess.Popen[bytes]


def responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started as `make up` starts it; ended by Ctrl-C, after which its ports are free again."""
    folder = tmp_path_factory.mktemp("stack")
    names = ("FACADE_PORT", "ADMIN_PORT", "SERVICE_PORT", "LEGACY_PORT")
    ports = dict(zip(names, quiet_ports(4), strict=True))
    routes = folder / "routes.yaml"
    routes.write_bytes((ROOT / "routes.yaml").read_bytes())
    output, access_log = folder / "output", folder / "access.jsonl"
    environ = {
        **os.environ,
        **{name: str(port) for name, port in ports.items()},
        "DATA_DIR": str(folder / "data"),
        "FACADE_ROUTES": str(routes),
        "FACADE_ACCESS_LOG": str(access_log),
    }
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local"],
            cwd=ROOT,
            env=environ,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    here = "http://127.0.0.1"
    admin = f"{here}:{ports['ADMIN_PORT']}"
    until = time.monotonic() + _START_S
    while not responds(f"{admin}/readyz"):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail(f"the stack did not come up:\n{output.read_text()}")
        time.sleep(0.1)
    try:
        yield Stack(
            f"{here}:{ports['FACADE_PORT']}",
            admin,
            f"{here}:{ports['SERVICE_PORT']}",
            routes,
            output,
            access_log,
            process,
        )
    finally:
        process.send_signal(signal.SIGINT)
        try:
            ended = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert ended == 0, output.read_text()
    for port in ports.values():
        socket.create_server(("127.0.0.1", port)).close()
