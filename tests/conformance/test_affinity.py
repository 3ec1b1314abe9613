"""Several endpoints: which one serves a request, and how a client stays with it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, ok, origin, responding
from tests.support.waiting import eventually
from tests.support.wire import Message, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

STICKY = "session_affinity: {cookie: node}"


@contextlib.asynccontextmanager
async def endpoints(count: int, seen: list[Message]) -> AsyncIterator[list[Origin]]:
    """Origins whose response is their number."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(origin(responding(ok(b"%d" % number), seen)))
            for number in range(count)
        ]


async def ask(wire: Wire, *fields: bytes, method: bytes = b"GET") -> Message:
    start = method + b" /a HTTP/1.1"
    wire.send(b"\r\n".join((start, b"host: facade.example", *fields, b"", b"")))
    return await wire.response()


def cookies_of(response: Message) -> list[bytes]:
    return [value.strip().partition(b";")[0] for value in response.head.all(b"set-cookie")]


async def new_client(up: RunningFacade) -> tuple[bytes, bytes]:
    """A client without a cookie: the endpoint that serves it, and the cookie that it gets."""
    async with client(up) as wire:
        response = await ask(wire)
        (cookie,) = cookies_of(response)
        return response.body, cookie


async def served_by(up: RunningFacade, cookie: bytes) -> Message:
    async with client(up) as wire:
        return await ask(wire, b"cookie: a=b; " + cookie)


async def reload(up: RunningFacade, routes: str) -> None:
    before = up.app.table.current.version
    up.routes.write_text(routes)
    await eventually(lambda: up.app.table.current.version != before)


async def test_a_client_stays_with_the_endpoint_of_its_cookie(tier: Tier, tmp_path: Path) -> None:
    seen: list[Message] = []
    async with endpoints(3, seen) as made:
        routes = table(*(each.url for each in made), backend=STICKY)
        async with facade(tier, routes, tmp_path) as up:
            clients = [await new_client(up) for _ in range(6)]
            assert {body for body, _ in clients} == {b"0", b"1", b"2"}
            for body, cookie in clients * 3:
                response = await served_by(up, cookie)
                assert (response.body, cookies_of(response)) == (body, [])
            assert [message.head.all(b"cookie") for message in seen[6:]] == [[b"a=b"]] * 18


async def test_the_cookie_is_opaque_and_for_http_alone(tier: Tier, tmp_path: Path) -> None:
    async with endpoints(2, []) as made:
        routes = table(*(each.url for each in made), backend=STICKY)
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            value = (await ask(wire)).head.one(b"set-cookie")
            assert value.strip().startswith(b"node=")
            assert value.endswith(b"; Path=/; HttpOnly; SameSite=Lax")
            assert b"127.0.0.1" not in value
            assert str(made[0].port).encode() not in value.partition(b";")[0]


async def test_an_endpoint_that_is_gone_moves_its_clients(tier: Tier, tmp_path: Path) -> None:
    async with endpoints(2, []) as made:
        both = table(*(each.url for each in made), backend=STICKY)
        async with facade(tier, both, tmp_path) as up:
            clients = dict([await new_client(up) for _ in range(4)])
            await reload(up, table(made[0].url, backend=STICKY))
            moved = await served_by(up, clients[b"1"])
            assert (moved.body, cookies_of(moved)) == (b"0", [clients[b"0"]])
            stayed = await served_by(up, clients[b"0"])
            assert (stayed.body, cookies_of(stayed)) == (b"0", [])


async def test_an_endpoint_that_is_down_moves_its_clients(tier: Tier, tmp_path: Path) -> None:
    async with endpoints(1, []) as made, contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(origin(responding(ok(b"1"))))
        routes = table(made[0].url, other.url, backend=STICKY)
        async with facade(tier, routes, tmp_path) as up:
            clients = dict([await new_client(up) for _ in range(4)])
            await stack.aclose()
            moved = await served_by(up, clients[b"1"])
            assert (moved.body, cookies_of(moved)) == (b"0", [clients[b"0"]])


@pytest.mark.parametrize("way", [STICKY, "load_balancing: hash"])
async def test_a_new_endpoint_disturbs_nobody_with_a_cookie(
    tier: Tier, tmp_path: Path, way: str
) -> None:
    async with endpoints(3, []) as made:
        urls = [each.url for each in made]
        async with facade(tier, table(*urls[:2], backend=STICKY), tmp_path) as up:
            clients = [await new_client(up) for _ in range(4)]
            more = way if way == STICKY else f"{STICKY}, {way}"
            await reload(up, table(*urls, backend=more))
            for body, cookie in clients:
                response = await served_by(up, cookie)
                assert (response.body, cookies_of(response)) == (body, [])


async def test_a_hash_keeps_an_address_with_its_endpoint(tier: Tier, tmp_path: Path) -> None:
    """One endpoint less moves only the clients that it had."""
    trust = "defaults: {forwarded: {trusted_proxies: [127.0.0.0/8]}}\n"
    async with endpoints(3, []) as made:
        urls = [each.url for each in made]

        async def served(up: RunningFacade) -> dict[int, bytes]:
            async with client(up) as wire:
                return {
                    each: (await ask(wire, b"x-forwarded-for: 203.0.113.%d" % each)).body
                    for each in range(40)
                }

        routes = table(*urls, backend="load_balancing: hash", rest=trust)
        async with facade(tier, routes, tmp_path) as up:
            first = await served(up)
            assert set(first.values()) == {b"0", b"1", b"2"}
            assert await served(up) == first
            await reload(up, table(*urls[:2], backend="load_balancing: hash", rest=trust))
            then = await served(up)
            assert all(then[each] == body for each, body in first.items() if body != b"2")


async def test_the_least_busy_endpoint_serves(tier: Tier, tmp_path: Path) -> None:
    async with origin() as slow, origin(responding(ok(b"quick"))) as quick:
        routes = table(slow.url, quick.url, backend="load_balancing: least_request")
        async with facade(tier, routes, tmp_path) as up, contextlib.AsyncExitStack() as stack:
            waiting = await stack.enter_async_context(client(up))
            bodies: Counter[bytes] = Counter()
            waiting.send(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                bodies[(await asyncio.wait_for(waiting.response(), 0.5)).body] += 1
                waiting.send(b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n")
            await slow.connection()
            async with client(up) as wire:
                for _ in range(10):
                    bodies[(await ask(wire)).body] += 1
            assert bodies[b"quick"] >= 10
