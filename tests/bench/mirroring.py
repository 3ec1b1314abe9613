"""What a mirror costs the requests that it copies. `python -m tests.bench.mirroring [--seconds S]`.

CPU: a usual request of the fast tier without sockets, its own calls alone: from the bytes of the client to those for
the backend, and from the response to the client. What copies do in later ticks is counted apart.

Latency and memory: two facades between the same backends, one with a mirror, and a client at a fixed rate, for each way
in which a mirror may misbehave. Rounds alternate. The backends are processes of their own.
"""

import argparse
import asyncio
import contextlib
import gc
import json
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

from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.mirroring.comparisons import Comparisons
from proxy.mirroring.mirrors import Mirrors
from proxy.mirroring.parity_book import ParityBook
from proxy.model import CompareRules
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import open_upstream
from tests.bench.mirror_backend import responding, response, rows
from tests.faults.misbehaving import backend
from tests.support.facade_in_process import InProcess, Wire
from tests.support.facade_process import ROOT, FacadeProcess, facade_process

RATE = 200.0
ROUNDS = 7
CLIENTS = 16
REQUESTS = 3_200
_SEED = 7
_FEW = rows(11)
_ALONE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
routes:
- name: list
  stage: {stage}
  backend_refs: [legacy, new]
  {mirror}
"""
_COMPARED = "mirror: {max_concurrency: 1000, compare: {status: exact}}"
_GET = b"GET /list HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nUser-Agent: bench\r\nCookie: a=1\r\n\r\n"


# --- CPU --------------------------------------------------------------------------------------------


class Side(Struct):
    """A facade, its clients, and the time of their requests' own calls in microseconds."""

    facade: InProcess
    mirrors: Mirrors
    comparisons: Comparisons
    clients: list[Wire]
    own_us: list[float]

    async def run(self, response: bytes) -> None:
        """Each client sends a request in one tick, and gets its response."""
        legacy = self.facade.open_connections("legacy", CLIENTS)
        began = time.perf_counter_ns()
        for client in self.clients:
            client.protocol.data_received(_GET)
        sent = time.perf_counter_ns()
        await asyncio.sleep(0)
        received = time.perf_counter_ns()
        for each in legacy:
            each.protocol.data_received(response)
        self.own_us.append((time.perf_counter_ns() - received + sent - began) / 1e3 / CLIENTS)

    async def settle(self) -> None:
        """Let the copies end."""
        while self.mirrors.busy or self.comparisons.waiting:
            await asyncio.sleep(0)
        for client in self.clients:
            client.take()
        self.facade.lines.clear()


class ListedOnly(Mirrors):
    """Mirrors that list requests, and make no copies."""

    def wake(self) -> None:
        """Nothing is done in the next tick."""


def side(table: str, kind: type[Mirrors] = Mirrors) -> Side:
    """A facade that serves `table`."""
    stats = SharedStats()
    book = ParityBook(MirrorCounters(stats.workers[0]), stats.parity, stats.cases, 0)
    comparisons = Comparisons(book)
    mirrors = kind(lambda each, tls: open_upstream(each, None, tls), book, comparisons.offer)
    facade = InProcess(table, quick=True, mirrors=mirrors)
    return Side(facade, mirrors, comparisons, [facade.connect() for _ in range(CLIENTS)], [])


async def own_cost(table: str) -> float:
    """Own CPU time of a request in microseconds, if its copy is never made."""
    alone, of_legacy = side(table, ListedOnly), response(_FEW)
    for _ in range(REQUESTS // CLIENTS):
        await alone.run(of_legacy)
        alone.mirrors.notes.clear()
        for client in alone.clients:
            client.take()
        alone.facade.lines.clear()
    for client in alone.clients:
        client.close()
    alone.facade.close()
    await asyncio.sleep(0)
    return statistics.median(alone.own_us)


async def costs_of(plain: str, mirrored: str) -> tuple[float, float, float]:
    """Own CPU time of a request under each table, and that of a copy, in microseconds.

    Both are measured by turns, right after the work for copies. Any such work leaves the caches of the
    processor cold, which makes each request twice as slow.
    """
    sides = [side(plain), side(mirrored)]
    running = [asyncio.create_task(each.comparisons.run()) for each in sides]
    of_legacy, copies_us = response(_FEW), []
    for number in range(REQUESTS // CLIENTS):
        for each in sides if number % 2 else reversed(sides):
            await each.run(of_legacy)
        cpu = time.process_time_ns()
        for each in sides:
            await each.settle()
        copies_us.append((time.process_time_ns() - cpu) / 1e3 / CLIENTS)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    for each in sides:
        await each.mirrors.aclose()
        for client in each.clients:
            client.close()
        each.facade.close()
    await asyncio.sleep(0)
    off_us, on_us = (statistics.median(each.own_us) for each in sides)
    return off_us, on_us, statistics.median(copies_us)


def costs() -> Iterator[str]:
    """The lines about CPU."""
    with backend(responding(_FEW)) as new:
        plain, mirrored = (
            _ALONE.format(legacy="http://127.0.0.1:1", new=new, stage=stage, mirror=mirror)
            for stage, mirror in (("legacy", ""), ("shadow", _COMPARED))
        )
        alone = [
            (asyncio.run(own_cost(plain)), asyncio.run(own_cost(mirrored))) for _ in range(ROUNDS)
        ]
        found = [asyncio.run(costs_of(plain, mirrored)) for _ in range(ROUNDS)]
    off_us, on_us = (min(each[at] for each in alone) for at in (0, 1))
    yield f"own CPU of a request: {off_us:.2f} us without a mirror, {on_us:.2f} us with: {on_us / off_us:.3f} x"
    off_us, on_us, copy_us = map(statistics.median, zip(*found, strict=True))
    ratio = statistics.median(on / off for off, on, _ in found)
    yield f"right after the work for copies: {off_us:.1f} us and {on_us:.1f} us: {ratio:.3f} x"
    yield f"the copy and its comparison of {len(_FEW)} bytes of JSON, apart: {copy_us:.0f} us"


# --- latency and memory -------------------------------------------------------------------------------


class Load(Struct, frozen=True):
    """Responses at a fixed rate."""

    p50_ms: float
    p99_ms: float


def load(facade: FacadeProcess, rate: float, seconds: float, length: int) -> Load:
    """One connection, random gaps. A late response delays the next request, and that delay counts."""
    gap = random.Random(_SEED).expovariate
    waits_ms: list[float] = []
    address = (facade.listen.host, facade.listen.port)
    with socket.create_connection(address, 20) as client, client.makefile("rb") as reader:
        due = time.perf_counter()
        until = due + seconds
        while due < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            client.sendall(_GET)
            while reader.readline() != b"\r\n":
                pass
            reader.read(length)
            waits_ms.append((time.perf_counter() - due) * 1e3)
            due += gap(rate)
    waits_ms.sort()
    return Load(statistics.median(waits_ms), waits_ms[int(len(waits_ms) * 0.99)])


@contextlib.contextmanager
def apart(kind: str, count: int) -> Iterator[str]:
    """A backend in a process of its own. Yields its URL."""
    argv = [sys.executable, "-m", "tests.bench.mirror_backend", kind, str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def beside(kind: str, count: int, rate: float, seconds: float) -> str:
    """Latency and memory of a facade whose mirror behaves so, beside one without a mirror."""
    length = len(rows(count))
    with ExitStack() as stack:
        legacy, new = (stack.enter_context(apart(each, count)) for each in ("responds", kind))
        facades = []
        for stage, mirror in (("legacy", ""), ("shadow", "mirror: {compare: {status: exact}}")):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            table = _ALONE.format(legacy=legacy, new=new, stage=stage, mirror=mirror)
            facades.append(stack.enter_context(facade_process(folder, table=table)))
        for facade in facades:
            load(facade, rate, 1.0, length)
        before = [facade.resident_bytes for facade in facades]
        rounds = [[load(each, rate, seconds, length) for each in facades] for _ in range(ROUNDS)]
        grown = [each.resident_bytes - was for each, was in zip(facades, before, strict=True)]
        p99 = [statistics.median(each[at].p99_ms for each in rounds) for at in (0, 1)]
        p50 = [statistics.median(each[at].p50_ms for each in rounds) for at in (0, 1)]
    return (
        f"p50 {p50[0]:.2f} -> {p50[1]:.2f} ms, p99 {p99[0]:.2f} -> {p99[1]:.2f} ms, "
        f"memory {grown[0] / 1e6:+.1f} -> {grown[1] / 1e6:+.1f} MB"
    )


def longest_slice(size: int) -> float:
    """The longest slice in milliseconds of comparing two responses of JSON with `size` bytes."""
    rows = [
        {"id": n, "name": f"name {n}", "cost": n * 7.5, "tags": ["a", "b"]}
        for n in range(size // 60)
    ]
    left = Observation(200, body=json.dumps(rows).encode())
    rows[7]["cost"] = 1
    right = Observation(200, body=json.dumps(rows).encode())
    longest = 0.0
    gc.disable()  # As `Comparisons` does.
    comparison = Comparer(CompareRules()).begin(left, right)
    outcome = None
    while outcome is None:
        began = time.thread_time()
        outcome = comparison.advance()
        longest = max(longest, time.thread_time() - began)
    gc.enable()
    return longest * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mirroring", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    options = parser.parse_args()
    for line in costs():
        print(line)
    holds = [longest_slice(1024 * 1024) for _ in range(5)]
    print(f"longest slice of comparing 1 MB of JSON: {min(holds):.2f} ms (the best of five)")
    for kind, count, rate in (
        ("responds", 11, RATE),
        ("responds", 22_000, 4.0),
        ("hangs", 11, RATE),
        ("resets", 11, RATE),
        ("floods", 11, RATE),
        ("responds with 1 GB", 11, RATE),
    ):
        about = f"the mirror {kind}, {len(rows(count)):,} bytes {rate:g} times a second"
        print(f"{about}: {beside(kind, count, rate, options.seconds)}", flush=True)


if __name__ == "__main__":
    main()
