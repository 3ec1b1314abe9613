"""Connections that close while they are idle: safe requests survive, others are never sent twice (promises U6, W1)."""

import asyncio

import pytest

from proxy.errors import (
    UpstreamBroke,
    UpstreamStale,
)
from proxy.model import Body
from proxy.upstream import open_upstream
from tests.integration.upstream_client import closed_at_end, get, outgoing, whole
from tests.support.origin import Script, origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


def _once_then(end: str, asked: list[bytes]) -> Script:
    """Responds to the first request of a connection, and closes it at the second without a response."""

    async def script(wire: Wire) -> None:
        await wire.respond()
        asked.append((await wire.request_head()).line)
        if end == "reset":
            wire.reset()

    return script


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_safe_request_survives_a_stale_connection(end: str) -> None:
    asked: list[bytes] = []
    async with (
        origin(_once_then(end, asked)) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        assert (await get(upstream)).body == b"ok"
        exchange = await upstream.open(outgoing(target=b"/again"))
        assert (await whole(exchange)).body == b"ok"
        assert exchange.attempts == 2
        assert server.accepted == 2
    assert asked == [b"GET /again HTTP/1.1"]


@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", Body("none")), ("PUT", Body("length", 2)), ("GET", Body("length", 2))],
)
async def test_what_may_have_been_received_is_not_sent_again(method: str, body: Body) -> None:
    asked: list[bytes] = []
    async with (
        origin(_once_then("close", asked)) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        await get(upstream)
        exchange = await upstream.open(outgoing(method, body=body))
        with pytest.raises(UpstreamStale):
            await exchange.head()
        assert (len(asked), server.accepted, exchange.attempts) == (1, 1, 1)


async def test_a_safe_request_is_repeated_once_and_no_more() -> None:
    first = True

    async def script(wire: Wire) -> None:
        nonlocal first
        if first:
            first = False
            await wire.respond()
        await wire.request_head()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        await get(upstream)
        exchange = await upstream.open(outgoing())
        with pytest.raises(UpstreamBroke):
            await exchange.head()
        assert (server.accepted, exchange.attempts) == (2, 2)


async def test_a_repeat_that_meets_another_stale_connection_is_the_last() -> None:
    asked = []
    close_it = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.respond()
        asked.append((await wire.request_head()).line)
        await close_it.wait()

    async with (
        origin(script) as server,
        closed_at_end(open_upstream(server.backend(max_connections=1))) as upstream,
    ):
        await get(upstream)
        exchange = await upstream.open(outgoing(target=b"/unlucky"))
        # This one waits for the slot, so the repeat gets its connection after it.
        other = asyncio.create_task(get(upstream))
        await eventually(lambda: upstream.stats().pending == 1)
        close_it.set()
        with pytest.raises(UpstreamStale):
            await asyncio.wait_for(exchange.head(), 5)
        assert (await other).body == b"ok"
        assert (exchange.attempts, server.accepted) == (2, 2)
    assert asked == [b"GET /unlucky HTTP/1.1"] * 2


async def test_a_partial_response_on_a_reused_connection_is_not_stale() -> None:
    async def script(wire: Wire) -> None:
        await wire.respond()
        await wire.request_head()
        wire.send(b"HTTP/1.1 2")

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        await get(upstream)
        with pytest.raises(UpstreamBroke):
            await get(upstream)
        assert server.accepted == 1


async def test_a_repeat_finds_room_where_idle_connections_fill_the_cap() -> None:
    async def script(wire: Wire) -> None:
        await wire.respond()
        await wire.request_head()

    backend_caps = {"max_connections": 2}
    async with (
        origin(script) as server,
        closed_at_end(open_upstream(server.backend(**backend_caps))) as upstream,
    ):
        await asyncio.gather(get(upstream), get(upstream))
        assert upstream.stats().idle == 2
        assert (await get(upstream)).body == b"ok"
