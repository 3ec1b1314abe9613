"""Which of the requests that workers hand over are copied."""

import asyncio
import time

import httpx
import pytest

from proxy.comparison.observation import Observation
from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.mirroring.copy_maker import CopyMaker
from proxy.mirroring.kept_parity import decoded
from proxy.mirroring.served import Batch, Served
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import NO_IDENTITY
from proxy.telemetry.mirror_counters import RouteCopies, copies_of_routes
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import open_upstream
from tests.make import facts
from tests.support.waiting import eventually

TABLE = b"""
version: 1
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
routes:
- {name: r, stage: shadow, mirror: {max_body_bytes: 1MiB, compare: {body: {type: bytes}}}, backend_refs: [legacy, new]}
"""


class Maker:
    """A maker of copies for one table, whose newcomer responds like the incumbent."""

    def __init__(self, respond: httpx.AsyncBaseTransport | None = None) -> None:
        self.stats = SharedStats()
        if respond is None:
            respond = httpx.MockTransport(lambda _: httpx.Response(200, content=b"ok"))
        self.maker = CopyMaker.create(
            lambda backend, _: open_upstream(backend, respond), self.stats.mirror
        )
        self.snapshot: Snapshot = snapshot_of(load(TABLE, "t.yaml"), TABLE, {}, 0.0)
        self.maker.mirrors.adopt(self.snapshot)

    def served(self, *, age_s: float = 0.0, version: str = "", body: bytes = b"ok") -> Served:
        response = Observation(200, [], body)
        ended = time.monotonic() - age_s
        version = version or self.snapshot.version
        return Served(version, "r", 0, "legacy", "new", facts(), NO_IDENTITY, b"", response, ended)

    async def copies(self, batch: Batch, ended: int) -> RouteCopies:
        """The counters once so many copies have ended."""
        tasks = [asyncio.create_task(each) for each in self.maker.tasks()]
        self.maker.mirrors.receive(batch)
        await eventually(lambda: self._ended() == ended)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self.maker.aclose()
        return dict(copies_of_routes(self.stats))["r"]

    def _ended(self) -> int:
        found = dict(copies_of_routes(self.stats)).get("r")
        return 0 if found is None else found.compared + sum(found.dropped.values())

    @property
    def dropped(self) -> dict[str, int]:
        """The drops in the route's parity."""
        (counts,) = decoded(self.stats.mirror.parity.read())["r"].counts.slices.values()
        return counts.dropped


async def test_a_request_is_copied_and_compared() -> None:
    maker = Maker()
    assert await maker.copies(Batch([maker.served()]), 1) == RouteCopies(1, 0, 1, 1, 0, {})


async def test_a_request_that_waited_for_long_is_not_copied() -> None:
    maker = Maker()
    assert await maker.copies(Batch([maker.served(age_s=31)]), 1) == RouteCopies(
        0, 0, 0, 0, 0, {"queue": 1}
    )
    assert maker.dropped == {"queue": 1}


async def test_a_request_of_another_table_is_not_copied() -> None:
    maker = Maker()
    found = await maker.copies(Batch([maker.served(version="other")]), 1)
    assert found == RouteCopies(0, 0, 0, 0, 0, {"reloaded": 1})


@pytest.mark.parametrize(("size", "dropped"), [(3_000_000, 0), (5_000_000, 1)])
async def test_all_bodies_together_are_limited(size: int, dropped: int) -> None:
    """To 8 MiB, also if the other process should send more."""
    maker = Maker()
    found = await maker.copies(Batch([maker.served(body=bytes(size)) for _ in range(2)]), 2)
    assert (found.sent, sum(found.dropped.values())) == (2 - dropped, dropped)


@pytest.mark.parametrize(("number", "dropped"), [(220, 0), (221, 1)])
async def test_a_burst_waits_for_its_turn(number: int, dropped: int) -> None:
    """20 copies are sent, and ten times as many wait."""
    maker = Maker()
    found = await maker.copies(Batch([maker.served() for _ in range(number)]), number)
    assert (found.compared, dict(found.dropped)) == (
        220,
        {"concurrency": dropped} if dropped else {},
    )


async def test_no_copy_is_sent_while_many_wait_for_their_comparison() -> None:
    maker = Maker()
    mirrors, comparisons = maker.maker.mirrors, maker.maker.comparisons
    for _ in range(6):
        mirrors.receive(Batch([maker.served() for _ in range(100)]))
        await eventually(lambda: not mirrors.busy)
    found = dict(copies_of_routes(maker.stats))["r"]
    assert (found.sent, found.dropped, comparisons.waiting) == (500, {"queue": 100}, 500)
    assert comparisons.is_full
    await maker.maker.aclose()


async def test_copies_that_wait_are_dropped_with_their_route() -> None:
    maker = Maker()
    maker.maker.mirrors.receive(Batch([maker.served() for _ in range(25)]))
    gone = TABLE.replace(b"mirror: {", b"mirror: {percent: 0, ")
    maker.maker.mirrors.adopt(snapshot_of(load(gone, "t.yaml"), gone, {}, 0.0))
    found = dict(copies_of_routes(maker.stats))["r"]
    assert dict(found.dropped) == {"reloaded": 5}
    await maker.maker.aclose()


class Starved(httpx.AsyncBaseTransport):
    """The process gets no CPU while a response is on its way."""

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        time.sleep(0.2)  # noqa: ASYNC251 - it blocks the loop.
        raise httpx.ReadTimeout("late")


async def test_a_timeout_while_the_process_got_no_cpu_is_no_difference() -> None:
    maker = Maker(Starved())
    found = await maker.copies(Batch([maker.served()]), 1)
    assert (found.compared, dict(found.dropped)) == (0, {"late": 1})


async def test_the_end_gives_up_copies_that_wait() -> None:
    maker = Maker()
    maker.maker.mirrors.receive(Batch([maker.served() for _ in range(25)]))
    await maker.maker.aclose()
    assert maker.maker.mirrors.busy == 0
    found = dict(copies_of_routes(maker.stats)).get("r")
    assert found is None or found.dropped == {}


async def test_what_workers_have_dropped_is_in_the_parity() -> None:
    maker = Maker()
    await maker.copies(Batch([maker.served()], {"r": {"queue": 5}, "gone": {"queue": 1}}), 1)
    assert maker.dropped == {"queue": 5}
