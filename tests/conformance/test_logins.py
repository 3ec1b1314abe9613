"""Backends that log in a connection (NTLM, Negotiate): nobody gets the login of another client (RFC 4559 6)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import Origin, Script, origin
from tests.support.waiting import eventually
from tests.support.wire import Cut, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

DENIED = b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: %b\r\ncontent-length: 0\r\n\r\n"


def logging_in(challenge: bytes = b"NTLM", seen: list[int] | None = None) -> Script:
    """An origin that knows the user of a connection once its request had credentials; `seen` gets each connection."""
    number = 0

    async def script(wire: Wire) -> None:
        nonlocal number
        number += 1
        mine, user = number, b""
        while True:
            try:
                head = (await wire.request()).head
            except (Cut, TimeoutError):
                return
            if seen is not None:
                seen.append(mine)
            for value in head.all(b"authorization"):
                user = value.split(b" ")[-1]
            body = b"user=" + user
            wire.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
                if user
                else DENIED % challenge
            )
            await wire.flush()

    return script


@contextlib.asynccontextmanager
async def logged_in_backend(
    tier: Tier, folder: Path, *, seen: list[int] | None = None, backend: str = "", rest: str = ""
) -> AsyncIterator[tuple[Origin, RunningFacade]]:
    async with (
        origin(logging_in(seen=seen)) as made,
        facade(tier, table(made.url, backend=backend, rest=rest), folder) as up,
    ):
        yield made, up


async def user_of(wire: Wire, *fields: bytes) -> bytes:
    """The user that the backend takes a request for; empty if it refuses the request."""
    wire.send(b"\r\n".join((b"GET /a HTTP/1.1", b"host: facade.example", *fields, b"", b"")))
    response = await wire.response()
    return response.body.removeprefix(b"user=") if response.head.status == 200 else b""


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"negotiate", b"Kerberos"])
async def test_another_client_does_not_get_the_login(
    tier: Tier, tmp_path: Path, scheme: bytes
) -> None:
    async with logged_in_backend(tier, tmp_path) as (_, up):
        async with client(up) as alice, client(up) as bob:
            assert await user_of(alice, b"authorization: %b alice" % scheme) == b"alice"
            for _ in range(3):
                assert await user_of(bob) == b""
        async with client(up) as carol:
            assert await user_of(carol) == b""


async def test_many_clients_at_once_each_keep_their_own_login(tier: Tier, tmp_path: Path) -> None:
    async with logged_in_backend(tier, tmp_path) as (_, up), contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(client(up)) for _ in range(12)]

        async def visit(number: int, wire: Wire) -> list[bytes]:
            name = b"" if number % 3 == 0 else b"user%d" % number
            fields = (b"authorization: NTLM " + name,) if name else ()
            return [await user_of(wire, *fields), *[await user_of(wire) for _ in range(4)]]

        users = await asyncio.gather(*(visit(number, wire) for number, wire in enumerate(wires)))
        for number, got in enumerate(users):
            assert got == [b"" if number % 3 == 0 else b"user%d" % number] * 5


async def test_the_requests_of_one_client_connection_go_over_one_upstream_connection(
    tier: Tier, tmp_path: Path
) -> None:
    """NTLM takes three requests on one connection. The login outlives the idle timeout of the backend."""
    seen: list[int] = []
    async with (
        logged_in_backend(tier, tmp_path, seen=seen, backend="idle_timeout: 100ms") as (_, up),
        client(up) as alice,
    ):
        assert await user_of(alice, b"authorization: NTLM alice") == b"alice"
        await asyncio.sleep(0.6)
        assert await user_of(alice) == b"alice"
        assert len(set(seen)) == 1


async def test_the_login_ends_with_the_client_connection(tier: Tier, tmp_path: Path) -> None:
    async with logged_in_backend(tier, tmp_path) as (made, up):
        async with client(up) as alice:
            assert await user_of(alice, b"authorization: NTLM alice") == b"alice"
        upstream = await made.connection()
        await upstream.closed()
        await eventually(lambda: up.app.upstream_stats()["legacy"].connections == 0)


async def test_a_connection_that_was_challenged_is_not_used_again(
    tier: Tier, tmp_path: Path
) -> None:
    seen: list[int] = []
    async with logged_in_backend(tier, tmp_path, seen=seen) as (_, up), client(up) as wire:
        assert await user_of(wire) == b""
        assert await user_of(wire) == b""
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("fields", "rest"),
    [
        ((b"via: 1.1 cache",), ""),
        ((b"x-forwarded-for: 203.0.113.7",), ""),
        ((b"forwarded: for=203.0.113.7",), ""),
        ((), "defaults: {forwarded: {trusted_proxies: [127.0.0.0/8]}}\n"),
    ],
)
async def test_a_login_does_not_outlive_its_request_behind_another_proxy(
    tier: Tier, tmp_path: Path, fields: tuple[bytes, ...], rest: str
) -> None:
    """The proxy may send requests of several clients over one connection."""
    async with logged_in_backend(tier, tmp_path, rest=rest) as (_, up), client(up) as wire:
        assert await user_of(wire, b"authorization: NTLM alice", *fields) == b"alice"
        assert await user_of(wire, *fields) == b""


async def test_unused_logins_give_way_to_waiting_requests(tier: Tier, tmp_path: Path) -> None:
    limits = "circuit_breakers: {max_connections: 2}"
    async with logged_in_backend(tier, tmp_path, backend=limits) as (_, up):
        async with client(up) as alice, client(up) as bob, client(up) as carol:
            assert await user_of(alice, b"authorization: NTLM alice") == b"alice"
            assert await user_of(bob, b"authorization: NTLM bob") == b"bob"
            assert await user_of(carol, b"authorization: NTLM carol") == b"carol"
            assert await user_of(bob) == b"bob"
            assert await user_of(alice) == b""


async def test_other_credentials_do_not_bind_a_connection(tier: Tier, tmp_path: Path) -> None:
    seen: list[int] = []
    async with logged_in_backend(tier, tmp_path, seen=seen) as (_, up):
        async with client(up) as alice:
            await user_of(alice, b"authorization: Basic YWxpY2U6cHc=")
        async with client(up) as bob:
            await user_of(bob, b"authorization: Bearer bob")
    assert seen == [1, 1]


async def test_a_foreign_transport_closes_a_connection_with_a_login(tmp_path: Path) -> None:
    seen: list[int] = []
    async with origin(logging_in(seen=seen)) as made, httpx.AsyncHTTPTransport() as transport:
        others = {"legacy": transport}
        async with facade_in_loop(table(made.url), tmp_path, transports=others) as up:
            async with client(up) as alice:
                assert await user_of(alice, b"authorization: NTLM alice") == b"alice"
            async with client(up) as bob:
                assert await user_of(bob) == b""
    assert seen == [1, 2]
