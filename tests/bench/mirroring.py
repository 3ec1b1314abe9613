"""What a mirror costs the requests that it copies.

`python -m tests.bench.mirroring [--rounds N] [--seconds S] [--kinds WORD ...]`.

CPU: see `mirror_cost`.

Latency and memory: two facades in front of the same incumbent, one with a mirror, and a client at a fixed rate, for
each way in which a mirror may misbehave. Rounds alternate. Backends are processes of their own. The mirror's backend
stands for another machine, so it runs with SCHED_IDLE: it gets only CPU that nothing else wants. So does the facade's
own mirror process, by itself. A round while other programs of the machine take CPU is repeated, some times.

The 99th percentile of a side is the median of its rounds. The interval of the ratio holds 95 % of the ratios of as
many rounds that are drawn from these at random (bootstrap). The kind `none` has no mirror on either side: its interval
shows how small a difference the machine can show.
"""

import argparse
import contextlib
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from tests.bench.mirror_backend import rows
from tests.bench.mirror_cost import GET, TABLE, costs
from tests.support import procfs
from tests.support.facade_process import ROOT, FacadeProcess, facade_process
from tests.support.waiting import until

NONE = "none"
RATE = 200.0
ROUNDS = 15
_DRAWS = 2000
_SEED = 7
_FOREIGN = 0.05
"""The most CPU of other programs in a round, as a share of all cores."""
_TRIES = 6
"""Rounds for each side that may be repeated."""


class Load(Struct, frozen=True):
    """Responses at a fixed rate."""

    p50_ms: float
    p99_ms: float
    foreign: float
    """The share of all cores that other programs took meanwhile."""


def load(facade: FacadeProcess, rate: float, seconds: float, length: int) -> Load:
    """One connection, random gaps. A late response delays the next request, and that delay counts."""
    gap = random.Random(_SEED).expovariate
    waits_ms: list[float] = []
    address = (facade.listen.host, facade.listen.port)
    began, busy_s, own_s = time.perf_counter(), _busy_s(), procfs.cpu_s(os.getpid())
    with socket.create_connection(address, 20) as client, client.makefile("rb") as reader:
        due = time.perf_counter()
        until = due + seconds
        while due < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            client.sendall(GET)
            while reader.readline() != b"\r\n":
                pass
            reader.read(length)
            waits_ms.append((time.perf_counter() - due) * 1e3)
            due += gap(rate)
    foreign_s = _busy_s() - busy_s - (procfs.cpu_s(os.getpid()) - own_s)
    foreign = foreign_s / (time.perf_counter() - began) / (os.cpu_count() or 1)
    waits_ms.sort()
    return Load(statistics.median(waits_ms), waits_ms[int(len(waits_ms) * 0.99)], foreign)


def _busy_s() -> float:
    return sum(procfs.core_busy_s(core) for core in range(os.cpu_count() or 1))


@contextlib.contextmanager
def apart(kind: str, count: int, *, idle: bool) -> Iterator[str]:
    """A backend in a process of its own; `idle` if it gets only CPU that nothing else wants. Yields its URL."""
    argv = [sys.executable, "-m", "tests.bench.mirror_backend", kind, str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if idle:
            for task in os.listdir(f"/proc/{process.pid}/task"):
                os.sched_setscheduler(int(task), os.SCHED_IDLE, os.sched_param(0))
        yield url
        process.kill()


class Rounds(Struct):
    """The rounds of one facade."""

    facade: FacadeProcess
    memory: dict[int, int]
    """Resident bytes of each of its processes before the first round."""
    loads: list[Load] = []

    def grown(self) -> list[int]:
        """By how many bytes its processes have grown."""
        return [now - self.memory.get(pid, now) for pid, now in memory_of(self.facade).items()]

    @property
    def p50_ms(self) -> float:
        return statistics.median(each.p50_ms for each in self.loads)

    @property
    def p99_ms(self) -> float:
        return statistics.median(each.p99_ms for each in self.loads)


def interval(plain: list[float], mirrored: list[float]) -> tuple[float, float]:
    """Of the ratio of the medians: what 95 % of the draws from these rounds have."""
    draw = random.Random(_SEED).choices
    ratios = sorted(
        statistics.median(draw(mirrored, k=len(mirrored)))
        / statistics.median(draw(plain, k=len(plain)))
        for _ in range(_DRAWS)
    )
    return ratios[int(_DRAWS * 0.025)], ratios[int(_DRAWS * 0.975)]


def memory_of(facade: FacadeProcess) -> dict[int, int]:
    """Resident bytes of each process."""
    found = {}
    for pid in procfs.tree(facade.popen.pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            found[pid] = procfs.resident_of(text)
    return found


def beside(kind: str, count: int, rate: float, rounds: int, seconds: float) -> str:
    """Latency and memory of a facade whose mirror behaves so, beside one without a mirror."""
    length = len(rows(count))
    without = ("legacy", "")
    copying = without if kind == NONE else ("shadow", "mirror: {compare: {status: exact}}")
    with ExitStack() as stack:
        legacy = stack.enter_context(apart("responds", count, idle=False))
        new = stack.enter_context(apart("responds" if kind == NONE else kind, count, idle=True))
        both = []
        for stage, mirror in (without, copying):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            table = TABLE.format(legacy=legacy, new=new, stage=stage, mirror=mirror)
            facade = stack.enter_context(facade_process(folder, table=table))
            load(facade, rate, 1.0, length)
            both.append(facade)
        if kind != NONE:
            until(lambda: both[1].total("facade_mirror_copies_total") > 0, 60)
        sides = [Rounds(each, memory_of(each)) for each in both]
        for number in range(rounds):
            for each in sides if number % 2 else reversed(sides):
                each.loads.append(quiet(each.facade, rate, seconds, length))
        copied = both[1].total("facade_mirror_copies_total")
        plain, mirrored = sides
        foreign = max(each.foreign for side in sides for each in side.loads)
        low, high = interval(*([each.p99_ms for each in side.loads] for side in sides))
        return (
            f"p50 {plain.p50_ms:.2f} -> {mirrored.p50_ms:.2f} ms, "
            f"p99 {plain.p99_ms:.2f} -> {mirrored.p99_ms:.2f} ms "
            f"({mirrored.p99_ms / plain.p99_ms:.2f} x, {low:.2f} to {high:.2f}), memory "
            f"{_mb(plain.grown())} -> {_mb(mirrored.grown())} MB, {copied:.0f} copies, "
            f"other programs {foreign:.0%} of the CPU"
        )


def quiet(facade: FacadeProcess, rate: float, seconds: float, length: int) -> Load:
    """A round in which other programs took little CPU; the best of `_TRIES` if there is none."""
    best = None
    for _ in range(_TRIES):
        found = load(facade, rate, seconds, length)
        if best is None or found.foreign < best.foreign:
            best = found
        if best.foreign <= _FOREIGN:
            break
    assert best is not None
    return best


def _mb(grown: list[int]) -> str:
    return " and ".join(f"{each / 1e6:+.1f}" for each in grown)


def main() -> None:
    kinds = [
        (NONE, 11, RATE),
        ("responds", 11, RATE),
        ("hangs", 11, RATE),
        ("resets", 11, RATE),
        ("floods", 11, RATE),
        ("responds with 1 GB", 11, RATE),
        ("responds", 22_000, 4.0),
    ]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mirroring", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each side")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument(
        "--kinds", nargs="*", help="the mirrors, by words that they begin with; or cpu"
    )
    options = parser.parse_args()
    chosen = options.kinds
    if not chosen or "cpu" in chosen:
        for line in costs():
            print(line, flush=True)
    for kind, count, rate in kinds:
        if not chosen or any(kind.endswith(word) or kind.startswith(word) for word in chosen):
            about = f"the mirror {kind}, {len(rows(count)):,} bytes {rate:g} times a second"
            found = beside(kind, count, rate, options.rounds, options.seconds)
            print(f"{about}: {found}", flush=True)


if __name__ == "__main__":
    main()
