"""`facade serve` as a process of its own, used over real sockets."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.server.settings import Address, parse_address
from tests.support import procfs

ROOT = Path(__file__).parents[2]
TABLE = """
version: 1
backends: {legacy: http://127.0.0.1:1}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, backend_refs: legacy}
"""
_UP = re.compile(r"facade on (https?)://(\S+), admin on http://(\S+?),")
_START_S = 30
_STOP_S = 15


@dataclass
class FacadeProcess:
    """A facade that accepts connections."""

    popen: subprocess.Popen[str]
    listen: Address
    admin: Address
    scheme: str
    log: list[str] = field(default_factory=list)
    """Lines of its standard error, so far."""
    seen: set[int] = field(default_factory=set)
    """Every child process that `children` has returned."""

    @property
    def port(self) -> int:
        return self.listen.port

    def get(
        self, path: str, *, admin: bool = False, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        port = self.admin.port if admin else self.listen.port
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(client):
            client.request("GET", path, headers=dict(headers or {}))
            response = client.getresponse()
            return response.status, response.read()

    def admin_json(self, path: str) -> Any:
        """The body of an admin path, whatever its status."""
        return json.loads(self.get(path, admin=True)[1])

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every sample by its name and sorted labels."""
        return samples_of(self.get("/metrics", admin=True)[1].decode())

    def total(self, name: str) -> float:
        """The sum of a metric's samples."""
        return sum(value for (sample, _), value in self.metrics().items() if sample == name)

    def children(self) -> list[int]:
        """Processes that it has started."""
        pid = self.popen.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        pids = [int(each) for each in text.split()]
        self.seen.update(pids)
        return pids

    def logged(self, text: str) -> bool:
        """Whether a line of its standard error holds `text`."""
        return any(text in line for line in self.log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and wait for its exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(_STOP_S)

    @property
    def resident_bytes(self) -> int:
        """Its resident memory now."""
        return procfs.resident_bytes(self.popen.pid)

    @property
    def cpu_s(self) -> float:
        """CPU time so far, with that of its children."""
        return procfs.cpu_s(self.popen.pid)

    @property
    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.popen.pid}/fd"))


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples of Prometheus's text format."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def command(*arguments: str) -> list[str]:
    """The command line of `facade serve`."""
    return [sys.executable, "-m", "proxy", "serve", *arguments]


@contextlib.contextmanager
def facade_process(
    folder: Path,
    *arguments: str,
    table: str = TABLE,
    stdout: int | None = None,
    max_descriptors: int | None = None,
) -> Iterator[FacadeProcess]:
    """A facade on free ports that is up. It and its children are killed at the end.

    `stdout` is a descriptor for its standard output; `max_descriptors` is its RLIMIT_NOFILE.
    """
    routes = folder / "routes.yaml"
    routes.write_text(table)
    free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "none")
    popen = subprocess.Popen(
        command("--routes", str(routes), *free, *arguments),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        stdout=stdout,
        preexec_fn=_limit(max_descriptors),
    )
    process = FacadeProcess(popen, Address("", 0), Address("", 0), "")
    up = threading.Event()
    reader = threading.Thread(target=_read_log, args=(process, up))
    reader.start()
    try:
        assert up.wait(_START_S), f"it is not up: {''.join(process.log)}"
        assert process.port, f"it ended: {''.join(process.log)}"
        yield process
    finally:
        _kill(process)
        reader.join(10)
        assert popen.stderr is not None
        popen.stderr.close()


def _limit(descriptors: int | None) -> Callable[[], None] | None:
    if descriptors is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def _read_log(process: FacadeProcess, up: threading.Event) -> None:
    assert process.popen.stderr is not None
    for line in process.popen.stderr:
        process.log.append(line)
        if match := _UP.search(line):
            process.scheme = match[1]
            process.listen, process.admin = parse_address(match[2]), parse_address(match[3])
            up.set()
    up.set()


def _kill(process: FacadeProcess) -> None:
    if process.popen.poll() is None:
        process.children()
    process.popen.kill()
    process.popen.wait()
    for pid in process.seen:
        # The number may belong to another process by now.
        if not _is_facade(pid):
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_facade(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"proxy\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
