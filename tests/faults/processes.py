"""A facade as a process of its own: its memory, its CPU time, its descriptors, and limits on them."""

import contextlib
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.server.settings import Address, parse_address

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Serving:
    """A facade that is up."""

    process: subprocess.Popen[str]
    listen: Address
    admin: Address

    @property
    def rss_bytes(self) -> int:
        """Its resident memory now."""
        found = re.search(r"VmRSS:\s+(\d+) kB", self._file("status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    @property
    def cpu_s(self) -> float:
        """CPU time so far, all its threads."""
        fields = self._file("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def descriptors(self) -> int:
        return len(os.listdir(self._file("fd")))

    def _file(self, name: str) -> Path:
        return Path(f"/proc/{self.process.pid}/{name}")


@contextlib.contextmanager
def serving_process(
    routes: Path, tier: str, *arguments: str, descriptors: int | None = None
) -> Iterator[Serving]:
    """`facade serve` on free ports, with at most that many descriptors. Ended on the way out."""

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "serve", "--routes", str(routes), *free, *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FACADE_TIER": tier},
        preexec_fn=limit,
    )
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        yield _up(process)
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _up(process: subprocess.Popen[str]) -> Serving:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"facade on http://(\S+), admin on http://(\S+?),", line):
            threading.Thread(
                target=process.stderr.read, daemon=True
            ).start()  # Nobody blocks on it.
            return Serving(process, parse_address(found[1]), parse_address(found[2]))
    raise AssertionError(f"it did not come up: {''.join(said)}")


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until `holds()` is true; fail if it is not in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
