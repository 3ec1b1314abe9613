"""The pool of an upstream's connections: its cap, and the queue in front of it."""

import asyncio
import time
from collections.abc import Callable

import pytest

from proxy.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import Backend, Endpoint, HeaderPairs, Timeouts
from proxy.upstream import Stats, open_upstream
from proxy.upstream.acquire import acquire
from tests.integration.upstream_client import closed_at_end, gated, get, outgoing
from tests.support.ports import free_port
from tests.support.waiting import eventually


async def test_no_more_connections_than_the_cap_and_the_queue_is_in_order() -> None:
    async with gated(max_connections=3, max_pending_requests=10) as (gate, server, upstream):
        done: list[int] = []

        async def ask(number: int) -> None:
            await get(upstream)
            done.append(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(9)]
        await eventually(lambda: gate.waiting == 3)
        assert upstream.stats() == Stats(connections=3, idle=0, in_flight=3, pending=6)
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert server.accepted == 3
        assert [number // 3 for number in done] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert upstream.stats() == Stats(connections=3, idle=3)


async def test_a_full_queue_is_told_at_once() -> None:
    async with gated(max_connections=1, max_pending_requests=2) as (gate, _, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(3)]
        await eventually(lambda: upstream.stats().pending == 2 and gate.waiting == 1)
        began = time.monotonic()
        with pytest.raises(UpstreamBusy):
            await upstream.open(outgoing())
        assert time.monotonic() - began < 0.5
        gate.open.set()
        await asyncio.gather(*tasks)


async def test_without_a_queue_there_is_still_the_first_connection() -> None:
    async with gated(max_connections=1, max_pending_requests=0) as (gate, _, upstream):
        first = asyncio.create_task(get(upstream))
        await eventually(lambda: gate.waiting == 1)
        with pytest.raises(UpstreamBusy):
            await upstream.open(outgoing())
        gate.open.set()
        assert (await first).body == b"ok"


async def test_waiting_in_the_queue_has_an_end() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        first = asyncio.create_task(get(upstream))
        await eventually(lambda: gate.waiting == 1)
        with pytest.raises(UpstreamBusy):
            await upstream.open(outgoing(timeouts=Timeouts(connect_s=0.1)))
        assert upstream.stats().pending == 0
        gate.open.set()
        await first


async def test_a_waiter_that_leaves_gives_its_place_to_the_next() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(3)]
        await eventually(lambda: upstream.stats().pending == 2 and gate.waiting == 1)
        tasks[1].cancel()
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert tasks[1].cancelled()
        assert tasks[2].result().body == b"ok"
        assert (server.accepted, upstream.stats()) == (1, Stats(connections=1, idle=1))


async def test_an_aborted_exchange_makes_room_for_a_waiter() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        first = await upstream.open(outgoing())
        await eventually(lambda: gate.waiting == 1)
        waiter = asyncio.create_task(get(upstream))
        await eventually(lambda: upstream.stats().pending == 1)
        first.abort()
        gate.open.set()
        assert (await asyncio.wait_for(waiter, 5)).body == b"ok"
        assert server.accepted == 2


async def test_a_connection_whose_waiter_left_is_not_lost() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        gate.open.set()
        for _ in range(20):
            task = asyncio.create_task(get(upstream))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
        assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"
        await eventually(lambda: upstream.stats() == Stats(connections=1, idle=1))


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_at_any_moment_leaks_no_slot(turns: int) -> None:
    async with gated(max_connections=2, max_pending_requests=50) as (gate, _, upstream):
        gate.open.set()
        tasks = [asyncio.create_task(get(upstream)) for _ in range(12)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)
        kept = [task for task in tasks if not task.cancelled()]
        assert all(task.result().body == b"ok" for task in kept)
        await eventually(lambda: upstream.stats().in_flight == upstream.stats().pending == 0)
        assert upstream.stats().connections <= 2
        assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"


async def test_refusals_in_a_row_leave_nothing_behind() -> None:
    backend = Backend("old", (Endpoint("http", "127.0.0.1", free_port()),), False, 2, 100)
    async with closed_at_end(open_upstream(backend)) as upstream:
        asked = [asyncio.create_task(get(upstream)) for _ in range(30)]
        results = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        assert {type(result) for result in results} == {UpstreamUnreachable}
        assert upstream.stats() == Stats()


async def test_a_waiter_cancelled_as_its_connection_comes_gives_it_back() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        pool = upstream.next_pool()
        connection = await acquire(pool, 5)
        waiter = asyncio.create_task(acquire(pool, 5))
        await eventually(lambda: upstream.stats().pending == 1)
        sink = Ending(lambda: waiter.cancel())
        connection.begin(b"GET / HTTP/1.1\r\n\r\n", sink, False, Timeouts(), False)
        gate.open.set()
        await asyncio.wait((waiter,), timeout=5)
        assert waiter.cancelled()
        assert upstream.stats() == Stats(connections=1, idle=1)
        assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"
        assert server.accepted == 1


@pytest.mark.parametrize("at_once", [True, False], ids=["in the same turn", "before"])
async def test_a_waiter_that_was_cancelled_is_not_given_a_connection(at_once: bool) -> None:
    async with gated(max_connections=1) as (_, _, upstream):
        pool = upstream.next_pool()
        connection = await acquire(pool, 5)
        waiter = asyncio.create_task(acquire(pool, 5))
        await eventually(lambda: upstream.stats().pending == 1)
        waiter.cancel()
        if not at_once:
            await asyncio.wait((waiter,), timeout=5)
            assert upstream.stats().pending == 0
        pool.release(connection)
        await asyncio.wait((waiter,), timeout=5)
        assert waiter.cancelled()
        assert upstream.stats() == Stats(connections=1, idle=1)


class Ending:
    """An ExchangeSink that does something at the very end of its response."""

    def __init__(self, then: Callable[[], object]) -> None:
        self._then = then

    def interim_response(self, status: int, headers: HeaderPairs) -> None: ...

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        self._then()

    def response_started(
        self, head: ResponseHead, framing: Framing, more_follows: bool
    ) -> None: ...

    def response_data(self, data: bytes) -> None: ...

    def response_ended(self, trailers: HeaderPairs) -> None:
        self._then()

    def backend_half_closed(self) -> None: ...

    def response_failed(self, error: UpstreamError) -> None:
        raise error

    def upload_paused(self) -> None: ...

    def upload_resumed(self) -> None: ...

    def elapsed(self, seconds: float) -> None: ...
