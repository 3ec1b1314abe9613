"""Runs contestants and loads, each on one core."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import wrk
from tests.bench.client import WrongResponse
from tests.bench.contestants import Contestant
from tests.bench.report import Figures, LoadFailed
from tests.support import procfs
from tests.support.ports import free_port
from tests.support.process import NotListening, listening_process

ROOT = Path(__file__).parents[2]
_LOOK_S = 0.1
_QUIET_S = 3.0
_QUIET_SHARE = 0.1


FAILURES = (LoadFailed, NotListening, WrongResponse, OSError)
"""The failures of a contestant. It is left out, and the run continues with the others."""


@dataclass(frozen=True)
class Cores:
    """The cores of contestants and load."""

    contestants: int
    load: int

    @classmethod
    def own(cls) -> "Cores":
        """The first and the last core that this process may use."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[-1])


@dataclass(frozen=True)
class Up:
    """A contestant that responds."""

    contestant: Contestant
    pid: int
    port: int
    core: int

    @property
    def name(self) -> str:
        """The name of its contestant."""
        return self.contestant.name


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started inside runs on `core` from its first thread on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def started(argv: list[str], port: int, core: int, folder: Path) -> Iterator[int]:
    """Run `argv` pinned to a core until the block ends; yields its pid once the port responds.

    Raises NotListening if it does not within 30 s.
    """
    env = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with listening_process(argv, port, folder, env=env, core=core) as pid:
        yield pid


@contextlib.contextmanager
def origin(core: int) -> Iterator[int]:
    """The origin; yields its port."""
    port = free_port()
    argv = [sys.executable, "-m", "tests.bench.origin", str(port)]
    with tempfile.TemporaryDirectory() as folder, started(argv, port, core, Path(folder)):
        yield port


@contextlib.contextmanager
def up(contestant: Contestant, origin_port: int, core: int) -> Iterator[Up]:
    """A contestant of its own, with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        port, folder = free_port(), Path(name)
        argv = contestant.argv(port, origin_port, folder)
        with started(argv, port, core, folder) as pid:
            for line in (folder / "stderr").read_text(errors="replace").splitlines():
                if "WARNING" in line:  # The facade warns if it serves with the other tier.
                    print(f"{contestant.name}: {line}", file=sys.stderr)
            yield Up(contestant, pid, port, core)


def printed_by(module: str, arguments: list[object], core: int, timeout_s: float) -> Figures:
    """The output of a load. Raises LoadFailed if a request failed."""
    argv = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    with pinned(core):
        load = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        out = load.communicate(timeout=timeout_s)[0]
    finally:
        load.kill()
        load.wait()
    if load.returncode:
        raise LoadFailed(f"{module} ended with {load.returncode}")
    figures = json.loads(out)
    if failed := figures.pop("failed"):
        raise LoadFailed("; ".join(failed))
    return {name: float(value) for name, value in figures.items()}


def _printed_by_wrk(port: int, kind: str, connections: int, seconds: float, core: int) -> Figures:
    with pinned(core), tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            wrk.argv(port, kind, connections, seconds, Path(folder)),
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    return wrk.read(done.stdout + done.stderr)


def quiet(core: int, busy_s: Callable[[int], float] = procfs.core_busy_s) -> bool:
    """Wait until hardly anything runs on a core, 3 s at most: a process continues for a while after its load.

    Returns whether it is quiet. `busy_s` gives how long a core was busy since the machine started.
    """
    for _ in range(round(_QUIET_S / _LOOK_S)):
        before = busy_s(core)
        time.sleep(_LOOK_S)
        if busy_s(core) - before <= _QUIET_SHARE * _LOOK_S:
            return True
    return False


@contextlib.contextmanager
def others_stopped(contestants: Sequence[Up], measured: str) -> Iterator[None]:
    """Inside, of all contestants only the one that is measured runs.

    Their timers take little CPU, but evict the caches of the one that is measured, and delay its responses by
    milliseconds: there are ten of them on its core.
    """
    pids = [pid for each in contestants if each.name != measured for pid in procfs.tree(each.pid)]
    try:
        _signal(pids, signal.SIGSTOP)
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def loaded(
    each: Up, kind: str, connections: int, seconds: float, core: int, at_most: int = 0
) -> Figures:
    """One round of load on one contestant, with its cost."""
    quiet(each.core)
    busy, before, began = procfs.core_busy_s(each.core), procfs.cpu_s(each.pid), time.monotonic()
    if kind == "tls-close":
        figures = printed_by("tls_load", [each.port, connections, seconds], core, seconds + 90)
    elif wrk.takes(kind) and not at_most:
        figures = _printed_by_wrk(each.port, kind, connections, seconds, core)
    else:
        arguments: list[object] = [each.port, kind, connections, seconds, at_most]
        figures = printed_by("load", arguments, core, seconds + 90)
    used = procfs.cpu_s(each.pid) - before
    figures["cpu_us"] = used / max(1.0, figures["requests"]) * 1e6
    figures["busy"] = used / figures["took_s"]
    others = procfs.core_busy_s(each.core) - busy - used
    figures["others"] = min(1.0, max(0.0, others) / (time.monotonic() - began))
    return figures
