"""When the pool of an upstream opens new connections, and how many at a time."""

import asyncio
import itertools
import time

import pytest

from proxy.errors import (
    ConnectTimeout,
)
from proxy.model import Backend, Endpoint, Timeouts
from proxy.upstream import Connection, HttpUpstream, Stats, open_upstream
from proxy.upstream.acquire import acquire
from tests.integration.upstream_client import closed_at_end, gated, get, outgoing
from tests.support.ports import full_backlog
from tests.support.waiting import eventually


async def test_connecting_has_an_end() -> None:
    with full_backlog() as port:
        backend = Backend("old", (Endpoint("http", "127.0.0.1", port),))
        async with closed_at_end(open_upstream(backend)) as upstream:
            began = time.monotonic()
            with pytest.raises(ConnectTimeout):
                await upstream.open(outgoing(timeouts=Timeouts(connect_s=0.3)))
            assert 0.25 < time.monotonic() - began < 1.5


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
    monkeypatch.setattr("proxy.upstream.opener._OPEN_INTERVAL_S", 0.05)
    async with closed_at_end(
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
    async with closed_at_end(open_upstream(backend)) as upstream:
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
