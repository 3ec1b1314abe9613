"""PostgreSQL on loopback for as long as a `with` block lasts."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO

from deploy.local.cluster import SUPERUSER, Cluster, locked, opened, server_env
from deploy.local.errors import LocalError
from deploy.local.process import signal_group, tethered

START_S = 60.0
# Fast, immediate, SIGKILL: how many seconds each may take.
STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Endpoint:
    """Where a superuser reaches the server: TCP on loopback."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@contextmanager
def running(
    data: Path,
    *,
    port: int = 0,
    settings: Mapping[str, str] = _NO_SETTINGS,
    folders: Iterable[Path] | None = None,
) -> Iterator[Endpoint]:
    """Serve `data` (made if it is empty) until the block ends, then stop the server.

    `port` 0 takes a free one. `settings` go on the server's command line (with `fsync` off, making
    the data does not wait for the disk either). `folders` replaces the usual places of the
    binaries. Enter it from a thread that outlives the block: on Linux the server ends with that
    thread. Raises DataInUse when another run holds `data`, and LocalError, with the end of the server's
    log, if it does not start.
    """
    with (
        locked(data) as lock,
        opened(lock, folders, durable=settings.get("fsync") != "off") as cluster,
        tempfile.TemporaryFile() as log,
    ):
        server, port = _start(cluster, port, settings, log)
        try:
            yield Endpoint("127.0.0.1", port, SUPERUSER, lock.password)
        finally:
            _stop(server)


def free_port() -> int:
    """A TCP port of loopback that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        chosen: int = probe.getsockname()[1]
    return chosen


def _start(
    cluster: Cluster, port: int, settings: Mapping[str, str], log: IO[bytes]
) -> tuple["subprocess.Popen[bytes]", int]:
    """Start until it responds: the port may be taken, or children of a killed server may still run."""
    deadline = time.monotonic() + START_S
    while True:
        chosen = port or free_port()
        server = subprocess.Popen(
            tethered(cluster.argv(chosen, settings), cluster.account, signal.SIGINT),
            cwd="/",
            env=server_env(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=cluster.keep_fds,
            start_new_session=True,
        )
        try:
            ready = _await_ready(cluster, server, deadline)
        except BaseException:  # a Ctrl-C as well must leave no server
            _stop(server)
            raise
        if ready:
            return server, chosen
        log.seek(0)
        text = log.read().decode(errors="replace")
        if time.monotonic() > deadline or not _passing(text, port):
            _stop(server)
            raise LocalError(f"PostgreSQL did not start: {' '.join(text.split()[-60:])}")
        log.seek(0)
        log.truncate()
        time.sleep(0.1)


def _passing(text: str, port: int) -> bool:
    """Whether the reason of a failed start goes away by itself."""
    port_taken = not port and "could not bind" in text
    return port_taken or "shared memory block" in text


def _await_ready(cluster: Cluster, server: "subprocess.Popen[bytes]", deadline: float) -> bool:
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return False
        if cluster.is_ready(server.pid):
            return True
        time.sleep(0.02)
    return False


def _stop(server: "subprocess.Popen[bytes]") -> None:
    for number, patience_s in STOP_STEPS:
        if server.poll() is not None:
            return
        if number == signal.SIGKILL:
            signal_group(server.pid, number)
        else:
            server.send_signal(number)
        try:
            server.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
