"""Idle connections of an upstream, and the end of all of them."""

import asyncio
import itertools
import time

import pytest

from proxy.errors import (
    UpstreamBroke,
    UpstreamUnreachable,
)
from proxy.model import Backend, Endpoint, Timeouts
from proxy.upstream import HttpUpstream, Stats, open_upstream
from tests.integration.upstream_client import closed_at_end, gated, get, outgoing, whole
from tests.support.origin import ok, origin, responding
from tests.support.ports import full_backlog
from tests.support.waiting import eventually
from tests.support.wire import Wire


async def test_an_idle_connection_is_closed_before_the_upstream_would() -> None:
    async with origin(responding(ok())) as server:
        async with closed_at_end(HttpUpstream(server.backend(idle_timeout_s=0.3))) as upstream:
            await get(upstream)
            assert upstream.stats().idle == 1
            began = time.monotonic()
            await eventually(lambda: upstream.stats().connections == 0)
            assert 0.25 < time.monotonic() - began < 1.5
            await eventually(lambda: server.open == 0)
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == 2


async def test_a_connection_closed_by_the_upstream_is_not_taken() -> None:
    async def script(wire: Wire) -> None:
        await wire.respond()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for count in range(1, 6):
            exchange = await upstream.open(outgoing("POST"))
            assert (await whole(exchange)).body == b"ok"
            assert server.accepted == count
            await eventually(lambda: server.open == 0)


async def test_the_connection_used_last_is_taken_first() -> None:
    async def script(wire: Wire) -> None:
        number = b"%d" % next(numbers)
        while True:
            await wire.respond(number)

    numbers = itertools.count()
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        responses = await asyncio.gather(*(get(upstream) for _ in range(3)))
        assert {response.body for response in responses} == {b"0", b"1", b"2"}
        assert upstream.stats().idle == 3
        last = (await get(upstream)).body
        assert last in {response.body for response in responses}
        assert [(await get(upstream)).body for _ in range(5)] == [last] * 5


async def test_closing_waits_for_what_is_in_flight() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(2)]
        await eventually(lambda: gate.waiting == 1 and upstream.stats().pending == 1)
        closed = asyncio.create_task(upstream.aclose(5))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamUnreachable):
            await upstream.open(outgoing())
        assert not closed.done()
        gate.open.set()
        assert [response.body for response in await asyncio.gather(*tasks)] == [b"ok", b"ok"]
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
        task = asyncio.create_task(get(upstream, outgoing(timeouts=patient)))
        await eventually(lambda: upstream.stats().pending == 1)
        await asyncio.wait_for(upstream.aclose(0.05), 5)
        with pytest.raises(UpstreamUnreachable):
            await task


async def test_closing_closes_idle_connections_at_once() -> None:
    async with origin(responding(ok())) as server:
        upstream = open_upstream(server.backend())
        await get(upstream)
        began = time.monotonic()
        await upstream.aclose(10)
        assert time.monotonic() - began < 1
        await eventually(lambda: server.open == 0)
