"""`facade serve` as a process of its own, asked over real sockets."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
TABLE = """
version: 1
backends: {legacy: http://127.0.0.1:1}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, backend_refs: legacy}
"""
_UP = re.compile(r"facade on (https?)://[\d.]+:(\d+), admin on http://[\d.]+:(\d+),")


@dataclass
class Process:
    """A facade that is up."""

    popen: subprocess.Popen[str]
    port: int
    admin_port: int
    scheme: str
    said: list[str] = field(default_factory=list)
    """Lines of its standard error, so far."""
    seen: set[int] = field(default_factory=set)
    """Processes it ever was asked for."""

    def get(
        self, path: str, *, admin: bool = False, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        port = self.admin_port if admin else self.port
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(asking):
            asking.request("GET", path, headers=dict(headers or {}))
            answer = asking.getresponse()
            return answer.status, answer.read()

    def admin(self, path: str) -> Any:
        """The JSON of an admin path, and nothing else of the answer."""
        return json.loads(self.get(path, admin=True)[1])

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every sample by its name and sorted labels."""
        return samples_of(self.get("/metrics", admin=True)[1].decode())

    def total(self, name: str) -> float:
        """The sum of a metric's samples."""
        return sum(value for (at, _), value in self.metrics().items() if at == name)

    def children(self) -> list[int]:
        """Processes it has started."""
        pid = self.popen.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found = [int(each) for each in text.split()]
        self.seen.update(found)
        return found

    def heard(self, text: str) -> bool:
        """It has said that."""
        return any(text in line for line in self.said)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop, and wait for its exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(15)


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def command(*arguments: str) -> list[str]:
    """The command line of `facade serve`."""
    return [sys.executable, "-m", "proxy", "serve", *arguments]


@contextlib.contextmanager
def process(
    folder: Path,
    *arguments: str,
    table: str = TABLE,
    stdout: int | None = None,
) -> Iterator[Process]:
    """A facade on free ports, which is up. It and its children are gone afterwards.

    `stdout` is a descriptor for its standard output.
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
    )
    made = Process(popen, 0, 0, "")
    up = threading.Event()
    reading = threading.Thread(target=_listen, args=(made, up))
    reading.start()
    try:
        assert up.wait(30), f"it did not come up: {''.join(made.said)}"
        assert made.port, f"it ended: {''.join(made.said)}"
        yield made
    finally:
        _end(made)
        reading.join(10)
        assert popen.stderr is not None
        popen.stderr.close()


def _listen(made: Process, up: threading.Event) -> None:
    assert made.popen.stderr is not None
    for line in made.popen.stderr:
        made.said.append(line)
        if found := _UP.search(line):
            made.scheme, made.port, made.admin_port = found[1], int(found[2]), int(found[3])
            up.set()
    up.set()


def _end(made: Process) -> None:
    if made.popen.poll() is None:
        made.children()
    made.popen.kill()
    made.popen.wait()
    for pid in made.seen:
        # Not a number that became somebody else's meanwhile.
        if not _is_facade(pid):
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_facade(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"proxy\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def until(holds: Callable[[], object], within_s: float = 8.0) -> None:
    """Wait until `holds()` is true; fail if it is not in time. An answer that fails is one that is not true."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
