"""A backend whose name moves: busy connections follow it, and no request fails."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.upstream import name_watch
from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import Origin, ok, origin, responding
from tests.support.waiting import eventually
from tests.support.wire import DEADLINE_S, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nhost: facade.example\r\ncontent-length: 2\r\n\r\nhi"


class Resolver:
    """Stands in for the name server of `moving.example`."""

    def __init__(self) -> None:
        self.answers: list[list[tuple[str, int]]] = []
        """One answer for each lookup, in turn; none for an error."""
        self.lookups = 0

    def __call__(self, host: str, port: int, *rest: int, **more: int) -> list[object]:
        self.lookups += 1
        found = self.answers[self.lookups % len(self.answers)]
        if not found:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", each) for each in found
        ]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    usual, made = socket.getaddrinfo, Resolver()

    def resolve(host: str, port: int, *rest: int, **more: int) -> list[object]:
        if host == "moving.example":
            return made(host, port, *rest, **more)
        return list(usual(host, port, *rest, **more))

    assert 2 * name_watch.INTERVAL_S + 5 < 30
    monkeypatch.setattr(name_watch, "INTERVAL_S", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return made


def at(made: Origin, host: str) -> tuple[str, int]:
    return host, made.port


async def body_of(wire: Wire, request: bytes) -> bytes:
    wire.send(request)
    response = await wire.response()
    assert response.head.status == 200
    return response.body


@contextlib.asynccontextmanager
async def two_places() -> AsyncIterator[tuple[Origin, Origin]]:
    async with (
        origin(responding(ok(b"old")), host="127.0.0.2", name="moving.example") as old,
        origin(responding(ok(b"new")), host="127.0.0.3") as new,
    ):
        yield old, new


async def test_a_busy_connection_follows_a_name_that_moves(
    tier: Tier, tmp_path: Path, resolver: Resolver
) -> None:
    async with two_places() as (old, new):
        resolver.answers = [[at(old, "127.0.0.2")]]
        async with facade(tier, table(old.url), tmp_path) as up, client(up) as wire:
            assert await body_of(wire, GET) == b"old"
            resolver.answers = [[at(new, "127.0.0.3")]]
            async with asyncio.timeout(DEADLINE_S):
                while await body_of(wire, POST) != b"new":
                    await asyncio.sleep(0.01)
            for _ in range(20):
                assert await body_of(wire, POST) == b"new"
            await eventually(lambda: up.app.upstream_stats()["legacy"].connections == 1)


async def test_a_request_in_flight_ends_in_peace(
    tier: Tier, tmp_path: Path, resolver: Resolver
) -> None:
    async with (
        origin(host="127.0.0.2", name="moving.example") as old,
        origin(responding(ok(b"new")), host="127.0.0.3") as new,
    ):
        resolver.answers = [[at(old, "127.0.0.2")]]
        async with facade(tier, table(old.url), tmp_path) as up, client(up) as wire:
            wire.send(GET)
            upstream = await old.connection()
            await upstream.request_head()
            resolver.answers = [[at(new, "127.0.0.3")]]
            before = resolver.lookups
            await eventually(lambda: resolver.lookups >= before + 4)
            upstream.send(ok(b"old"))
            assert (await wire.response()).body == b"old"
            assert await upstream.end() == (b"", False)
            assert await body_of(wire, GET) == b"new"


@pytest.mark.parametrize("answer", ["in turn", "fails"])
async def test_a_connection_stays_if_its_address_may_still_be_of_the_name(
    tier: Tier, tmp_path: Path, resolver: Resolver, answer: str
) -> None:
    """Some resolvers answer with a part of the addresses in turn, and some fail for a while."""
    async with two_places() as (old, new):
        resolver.answers = [[at(old, "127.0.0.2")]]
        async with facade(tier, table(old.url), tmp_path) as up, client(up) as wire:
            assert await body_of(wire, GET) == b"old"
            other = [at(new, "127.0.0.3")] if answer == "in turn" else []
            resolver.answers = [[at(old, "127.0.0.2")], other]
            before = resolver.lookups
            async with asyncio.timeout(DEADLINE_S):
                while resolver.lookups < before + 6:
                    assert await body_of(wire, GET) == b"old"
                    await asyncio.sleep(0.01)
            assert len(old.connections) == 1


async def test_a_connection_is_renewed_by_its_age(tier: Tier, tmp_path: Path) -> None:
    async with origin(responding(ok())) as made:
        routes = table(made.url, backend="max_connection_age: 300ms")
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            async with asyncio.timeout(DEADLINE_S):
                while len(made.connections) < 3:
                    assert await body_of(wire, POST) == b"ok"
                    await asyncio.sleep(0.01)
