"""How connections are shared, capped, aged and closed."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.errors import (
    ConnectTimeout,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import Backend, Endpoint, HeaderPairs, Timeouts
from proxy.upstream import Connection, HttpUpstream, Stats, open_upstream
from proxy.upstream.acquire import acquire
from tests.integration.upstream_servers import (
    Gate,
    Peer,
    Server,
    asking,
    closing,
    eventually,
    full_backlog,
    get,
    refused_port,
    serving,
    whole,
)


@contextlib.asynccontextmanager
async def gated(**caps: int) -> AsyncIterator[tuple[Gate, Server, HttpUpstream]]:
    gate = Gate()
    async with serving(gate) as server:
        upstream = HttpUpstream(server.backend(**caps))
        async with closing(upstream):
            yield gate, server, upstream


# --- cap and queue ----------------------------------------------------------------------------------


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
            await upstream.open(asking())
        assert time.monotonic() - began < 0.5
        gate.open.set()
        await asyncio.gather(*tasks)


async def test_without_a_queue_there_is_still_the_first_connection() -> None:
    async with gated(max_connections=1, max_pending_requests=0) as (gate, _, upstream):
        first = asyncio.create_task(get(upstream))
        await eventually(lambda: gate.waiting == 1)
        with pytest.raises(UpstreamBusy):
            await upstream.open(asking())
        gate.open.set()
        assert (await first).body == b"ok"


async def test_waiting_in_the_queue_has_an_end() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        first = asyncio.create_task(get(upstream))
        await eventually(lambda: gate.waiting == 1)
        with pytest.raises(UpstreamBusy):
            await upstream.open(asking(timeouts=Timeouts(connect_s=0.1)))
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
        first = await upstream.open(asking())
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
    backend = Backend("old", (Endpoint("http", "127.0.0.1", refused_port()),), False, 2, 100)
    async with closing(open_upstream(backend)) as upstream:
        asked = [asyncio.create_task(get(upstream)) for _ in range(30)]
        results = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        assert {type(result) for result in results} == {UpstreamUnreachable}
        assert upstream.stats() == Stats()


async def test_connecting_has_an_end() -> None:
    with full_backlog() as port:
        backend = Backend("old", (Endpoint("http", "127.0.0.1", port),))
        async with closing(open_upstream(backend)) as upstream:
            began = time.monotonic()
            with pytest.raises(ConnectTimeout):
                await upstream.open(asking(timeouts=Timeouts(connect_s=0.3)))
            assert 0.25 < time.monotonic() - began < 1.5


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
    """An ExchangeSink that does something at the very end of its answer."""

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


async def test_a_fresh_connection_is_made_room_for_where_idle_ones_fill_the_cap() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        gate.open.set()
        await get(upstream)
        pool = upstream.next_pool()
        connection = await acquire(pool, 1, fresh=True)
        assert (server.accepted, upstream.stats().connections) == (2, 1)
        pool.release(connection)


async def test_a_connection_given_back_in_time_spares_new_ones_but_two() -> None:
    """Ten wait for a moment: the pool grows, but not by ten."""
    async with gated(max_connections=50) as (gate, _, upstream):
        gate.open.set()
        pool = upstream.next_pool()
        taken = [await acquire(pool, 1, fresh=True) for _ in range(10)]
        waiters = [asyncio.create_task(acquire(pool, 5)) for _ in range(10)]
        await asyncio.sleep(0)
        for each in taken:
            pool.release(each)
        assert {await waiter for waiter in waiters} == set(taken)
        for each in taken:
            pool.release(each)
        await eventually(lambda: upstream.stats().connections == 12)
        assert upstream.stats() == Stats(connections=12, idle=12)


async def test_who_waits_in_vain_gets_a_connection_of_its_own() -> None:
    async with gated(max_connections=50) as (gate, server, upstream):
        gate.open.set()
        pool = upstream.next_pool()
        taken = [await acquire(pool, 1, fresh=True) for _ in range(9)]
        assert await acquire(pool, 5) not in taken
        assert server.accepted == 10


async def test_a_burst_opens_no_more_at_once_than_there_are() -> None:
    async with gated(max_connections=200, max_pending_requests=200) as (gate, _, upstream):
        gate.open.set()
        pool = upstream.next_pool()
        waiters = [asyncio.create_task(acquire(pool, 10)) for _ in range(100)]
        steps = [0]
        while steps[-1] < 100:
            await asyncio.sleep(0)
            steps.append(upstream.stats().connections)
        assert all(after - before <= max(8, before) for before, after in itertools.pairwise(steps))
        assert len({await waiter for waiter in waiters}) == 100


async def test_past_the_first_eight_connections_are_begun_with_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While eight are on their way to a far backend, no others join in before the time has come."""
    begun = 0

    async def far(*_: object) -> Connection:
        nonlocal begun
        begun += 1
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr("proxy.upstream.pool.dial", far)
    monkeypatch.setattr("proxy.upstream.pool._OPEN_INTERVAL_S", 0.05)
    async with closing(
        open_upstream(Backend("far", (Endpoint("http", "127.0.0.1", 1),)))
    ) as upstream:
        assert isinstance(upstream, HttpUpstream)
        pool = upstream.next_pool()
        waiters = [asyncio.create_task(acquire(pool, 10)) for _ in range(50)]
        seen = set()
        while begun < 14:
            await asyncio.sleep(0)
            seen.add(begun)
        assert seen == {0, 8, 10, 12, 14}
        for each in waiters:
            each.cancel()
        await asyncio.wait(waiters)


async def test_who_waits_where_nothing_ever_connects_is_told_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: object) -> Connection:
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr("proxy.upstream.pool.dial", never)
    backend = Backend("far", (Endpoint("http", "127.0.0.1", 1),), max_connections=1)
    async with closing(open_upstream(backend)) as upstream:
        assert isinstance(upstream, HttpUpstream)
        pool = upstream.next_pool()
        first = asyncio.create_task(acquire(pool, 30))
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            with pytest.raises(ConnectTimeout):
                await acquire(pool, 0.1)
        assert not first.done()
        first.cancel()
        await asyncio.wait((first,))


# --- keep-alive -------------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed_before_the_upstream_would() -> None:
    async with serving(_answering) as server:
        async with closing(HttpUpstream(server.backend(idle_timeout_s=0.3))) as upstream:
            await get(upstream)
            assert upstream.stats().idle == 1
            began = time.monotonic()
            await eventually(lambda: upstream.stats().connections == 0)
            assert 0.25 < time.monotonic() - began < 1.5
            await eventually(lambda: server.open == 0)
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == 2


async def test_a_connection_closed_by_the_upstream_is_not_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        for count in range(1, 6):
            exchange = await upstream.open(asking("POST"))
            assert (await whole(exchange)).body == b"ok"
            assert server.accepted == count
            await eventually(lambda: server.open == 0)


async def test_the_connection_used_last_is_taken_first() -> None:
    async def script(peer: Peer) -> None:
        number = b"%d" % next(numbers)
        while True:
            await peer.answer(number)

    numbers = itertools.count()
    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        answers = await asyncio.gather(*(get(upstream) for _ in range(3)))
        assert {answer.body for answer in answers} == {b"0", b"1", b"2"}
        assert upstream.stats().idle == 3
        last = (await get(upstream)).body
        assert last in {answer.body for answer in answers}
        assert [(await get(upstream)).body for _ in range(5)] == [last] * 5


async def _answering(peer: Peer) -> None:
    while True:
        await peer.answer()


# --- closing ------------------------------------------------------------------------------------------


async def test_closing_waits_for_what_is_in_flight() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(2)]
        await eventually(lambda: gate.waiting == 1 and upstream.stats().pending == 1)
        closed = asyncio.create_task(upstream.aclose(5))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamUnreachable):
            await upstream.open(asking())
        assert not closed.done()
        gate.open.set()
        assert [answer.body for answer in await asyncio.gather(*tasks)] == [b"ok", b"ok"]
        await asyncio.wait_for(closed, 1)
        assert upstream.stats() == Stats()
        await eventually(lambda: server.open == 0)


async def test_closing_cuts_off_what_does_not_end() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(2)]
        await eventually(lambda: gate.waiting == 1 and upstream.stats().pending == 1)
        began = time.monotonic()
        await upstream.aclose(0.1)
        assert time.monotonic() - began < 1
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in told] == [UpstreamBroke, UpstreamUnreachable]


async def test_closing_while_connecting_ends_the_attempt() -> None:
    with full_backlog() as port:
        upstream = open_upstream(Backend("old", (Endpoint("http", "127.0.0.1", port),)))
        patient = Timeouts(connect_s=60, request_s=60)
        task = asyncio.create_task(get(upstream, asking(timeouts=patient)))
        await eventually(lambda: upstream.stats().pending == 1)
        await asyncio.wait_for(upstream.aclose(0.05), 5)
        with pytest.raises(UpstreamUnreachable):
            await task


async def test_closing_closes_idle_connections_at_once() -> None:
    async with serving(_answering) as server:
        upstream = open_upstream(server.backend())
        await get(upstream)
        began = time.monotonic()
        await upstream.aclose(10)
        assert time.monotonic() - began < 1
        await eventually(lambda: server.open == 0)
