"""What a copied request costs the worker, and its copy the mirror process: CPU, without a client's sockets."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import statistics
import time
from collections.abc import Iterator

from msgspec import Struct

from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.mirroring.copy_maker import CopyMaker
from proxy.mirroring.outlet import MAX_MESSAGE, Outlet, socket_pair
from proxy.mirroring.sender import CopySender, Receiver
from proxy.mirroring.served import Batch
from proxy.model import CompareRules
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import open_upstream
from tests.bench.mirror_backend import responding, response, rows
from tests.faults.misbehaving import backend
from tests.support.facade_in_process import InProcess, Wire

ROUNDS = 7
CLIENTS = 16
REQUESTS = 3_200
FEW = rows(11)
TABLE = """
version: 1
backends: {{legacy: "{legacy}", new: "{new}"}}
routes:
- name: list
  stage: {stage}
  backend_refs: [legacy, new]
  {mirror}
"""
_COMPARED = "mirror: {max_concurrency: 1000, compare: {status: exact}}"
GET = b"GET /list HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nUser-Agent: bench\r\nCookie: a=1\r\n\r\n"


class Side(Struct):
    """A facade, its clients, and the time of their requests' own calls in microseconds."""

    facade: InProcess
    sender: CopySender
    clients: list[Wire]
    own_us: list[float]

    async def run(self, response: bytes) -> None:
        """Each client sends a request in one tick, and gets its response."""
        legacy = self.facade.open_connections("legacy", CLIENTS)
        began = time.perf_counter_ns()
        for client in self.clients:
            client.protocol.data_received(GET)
        sent = time.perf_counter_ns()
        await asyncio.sleep(0)
        received = time.perf_counter_ns()
        for each in legacy:
            each.protocol.data_received(response)
        self.own_us.append((time.perf_counter_ns() - received + sent - began) / 1e3 / CLIENTS)

    async def settle(self) -> float:
        """Let the requests be handed over. Returns the CPU time of that for each, in microseconds."""
        cpu = time.process_time_ns()
        await asyncio.sleep(0)
        while self.sender.waiting:
            await asyncio.sleep(0)
        cpu_us = (time.process_time_ns() - cpu) / 1e3 / CLIENTS
        for client in self.clients:
            client.take()
        self.facade.lines.clear()
        return cpu_us

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.facade.close()


class Collected:
    """Keeps what a worker hands over."""

    is_full = False

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def receive(self, batch: Batch) -> None:
        self.batches.append(batch)


def side(table: str, receiver: Receiver) -> Side:
    """A facade that serves `table`."""
    sender = CopySender(receiver, MirrorCounters(SharedStats().workers[0]), gather_s=0.0)
    facade = InProcess(table, quick=True, copies=sender)
    return Side(facade, sender, [facade.connect() for _ in range(CLIENTS)], [])


@contextlib.contextmanager
def drained_outlet() -> Iterator[Outlet]:
    """The way to a process that reads, and does nothing else."""
    one, other = socket_pair()
    other.setblocking(True)
    pid = os.fork()
    if not pid:
        while True:
            other.recv(MAX_MESSAGE)
    outlet = Outlet(one)
    yield outlet
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    one.close()
    other.close()


async def costs_of(plain: str, mirrored: str, receiver: Receiver) -> tuple[float, float, float]:
    """Own CPU time of a request under each table, and that of handing it over, in microseconds."""
    sides = [side(plain, receiver), side(mirrored, receiver)]
    of_legacy, handed_us = response(FEW), []
    for number in range(REQUESTS // CLIENTS):
        for each in sides if number % 2 else reversed(sides):
            await each.run(of_legacy)
            cost_us = await each.settle()
            if each is sides[1]:
                handed_us.append(cost_us)
    for each in sides:
        each.close()
    await asyncio.sleep(0)
    off_us, on_us = (statistics.median(each.own_us) for each in sides)
    return off_us, on_us, statistics.median(handed_us)


async def cost_of_copies(mirrored: str) -> float:
    """CPU time of a copy and its comparison, in microseconds, in a process that does nothing else."""
    collected = Collected()
    one = side(mirrored, collected)
    for _ in range(REQUESTS // CLIENTS):
        await one.run(response(FEW))
        await one.settle()
    maker = CopyMaker.create(lambda each, tls: open_upstream(each, None, tls), SharedStats().mirror)
    maker.mirrors.adopt(one.facade.forwarder.table.current)
    tasks = [asyncio.create_task(each) for each in maker.tasks()]
    cpu = time.process_time_ns()
    for batch in collected.batches:
        maker.mirrors.receive(batch)
        while maker.mirrors.busy or maker.comparisons.waiting:
            await asyncio.sleep(0)
    cpu_us = (time.process_time_ns() - cpu) / 1e3 / REQUESTS
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await maker.aclose()
    one.close()
    await asyncio.sleep(0)
    return cpu_us


def costs() -> Iterator[str]:
    """The lines about CPU."""
    with backend(responding(FEW)) as new, drained_outlet() as outlet:
        plain, mirrored = (
            TABLE.format(legacy="http://127.0.0.1:1", new=new, stage=stage, mirror=mirror)
            for stage, mirror in (("legacy", ""), ("shadow", _COMPARED))
        )
        found = [asyncio.run(costs_of(plain, mirrored, outlet)) for _ in range(ROUNDS)]
        copy_us = min(asyncio.run(cost_of_copies(mirrored)) for _ in range(3))
    off_us, on_us, handed_us = map(min, zip(*found, strict=True))
    ratio = statistics.median(on / off for off, on, _ in found)
    yield (
        f"own CPU of a request: {off_us:.1f} us without a mirror, {on_us:.1f} us with: {ratio:.3f} x"
    )
    yield f"handing it over later: {handed_us:.0f} us"
    yield f"the copy and its comparison of {len(FEW)} bytes of JSON, in the mirror process: {copy_us:.0f} us"
    holds = [longest_slice(1024 * 1024) for _ in range(5)]
    yield f"longest slice of comparing 1 MB of JSON: {min(holds):.2f} ms (the best of five)"


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
