"""Isolation of clients that share upstream connections (promise K2, findings 1 and 12)."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding
from tests.support.wire import Message, Pairs, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS = ("alice", "bob")


def _asking(user: str, number: int) -> bytes:
    body = f"{user}-body-{number}".encode()
    head = (
        f"{'POST' if number % 2 else 'GET'} /{user}/{number} HTTP/1.1\r\nhost: h\r\n"
        f"cookie: JSESSIONID={user}-cookie-{number}\r\nauthorization: Bearer {user}-token\r\n"
        f"x-user: {user}-header\r\n"
    ).encode()
    if number % 2:
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    return head + b"\r\n"


def _response(asked: Message) -> bytes:
    """All that was said, in the body; a cookie of the user's own; a length that varies, or chunks."""
    target = asked.head.target
    text = b"%b|%b|%b" % (target, b"|".join(value for _, value in asked.head.fields), asked.body)
    user = target.split(b"/")[1]
    if len(text) % 3:
        return ok(text, b"set-cookie: JSESSIONID=%b-response" % user)
    return (
        b"HTTP/1.1 200 OK\r\nset-cookie: JSESSIONID=%b-response\r\ntransfer-encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\n\r\n" % (user, len(text), text)
    )


def _only(user: str, got: Message) -> None:
    other = USERS[1 - USERS.index(user)].encode()
    everything = got.body + b"".join(value for _, value in got.head.fields)
    assert other not in everything, everything
    assert b"%b-cookie" % user.encode() in got.body
    assert got.head.all(b"set-cookie") == [b"JSESSIONID=%b-response" % user.encode()]


async def _one_user(up: RunningFacade, user: str, turns: range) -> None:
    async with client(up) as wire:
        for number in turns:
            await _turn(wire, user, number)


async def _turn(wire: Wire, user: str, number: int) -> None:
    wire.send(_asking(user, number))
    got = await wire.response()
    assert got.body.startswith(f"/{user}/{number}|".encode())
    _only(user, got)


async def _interleaved(tier: Tier, folder: Path, turns: int) -> None:
    """Both users over a single upstream connection, so that all of it is shared that can be."""
    async with origin(responding(_response)) as made:
        breaker = "circuit_breakers: {max_connections: 1, max_pending_requests: 10}"
        async with facade(tier, table(made.url, backend=breaker), folder) as up:
            await asyncio.gather(*(_one_user(up, user, range(turns)) for user in USERS))
        assert len(made.connections) == 1


async def test_two_users_by_turns_never_meet(tier: Tier, tmp_path: Path) -> None:
    await _interleaved(tier, tmp_path, 100)


@pytest.mark.soak
async def test_two_users_by_turns_never_meet_in_ten_thousand(tier: Tier, tmp_path: Path) -> None:
    await _interleaved(tier, tmp_path, 5000)


async def test_two_users_through_the_same_connection_of_a_balancer_never_meet(
    tier: Tier, tmp_path: Path
) -> None:
    async with origin(responding(_response)) as made:
        async with facade(tier, table(made.url), tmp_path) as up, client(up) as wire:
            for number in range(100):
                await _turn(wire, USERS[number % 2], number)


SECRETS: Pairs = [
    (b"cookie", b"JSESSIONID=s1; TB_UID=u1; theme=dark"),
    (b"authorization", b"Bearer s2"),
    (b"x-api-key", b"s3"),
    (b"accept", b"text/html"),
    (b"cookie", b"other=s4"),
]


@pytest.mark.parametrize(
    ("backend", "kept"),
    [
        pytest.param("", SECRETS, id="all, where nothing is said"),
        pytest.param(
            "cookies: {allow: [TB_UID, theme]}",
            [(b"cookie", b"TB_UID=u1; theme=dark"), *SECRETS[1:4]],
            id="only some cookies",
        ),
        pytest.param(
            "cookies: {remove: [JSESSIONID, other]}",
            [(b"cookie", b"TB_UID=u1; theme=dark"), *SECRETS[1:4]],
            id="all cookies but some",
        ),
        pytest.param("cookies: {allow: []}", SECRETS[1:4], id="no cookies"),
        pytest.param("headers: {allow: [accept]}", SECRETS[3:4], id="only one header"),
        pytest.param(
            "headers: {remove: [authorization, x-api-key, cookie]}",
            SECRETS[3:4],
            id="all headers but some",
        ),
        pytest.param(
            "headers: {allow: [cookie]}, cookies: {allow: [theme]}",
            [(b"cookie", b"theme=dark")],
            id="one cookie and nothing else",
        ),
    ],
)
async def test_a_backend_sees_only_what_it_may(
    backend: str, kept: Pairs, tier: Tier, tmp_path: Path
) -> None:
    """Promise K2."""
    seen: list[Message] = []
    lines = b"".join(b"%b: %b\r\n" % pair for pair in SECRETS)
    async with origin(responding(ok(), seen)) as made:
        async with facade(tier, table(made.url, backend=backend), tmp_path) as up:
            async with client(up) as wire:
                wire.send(b"GET /a HTTP/1.1\r\nhost: h\r\n%b\r\n" % lines)
                assert (await wire.response()).head.status == 200
    names = {name for name, _ in SECRETS}
    assert [pair for pair in seen[0].head.fields if pair[0] in names] == kept


async def test_cookies_that_a_backend_sets_are_not_kept_by_the_facade(
    tier: Tier, tmp_path: Path
) -> None:
    """Finding 1."""
    seen: list[Message] = []
    async with origin(responding(ok(b"", b"set-cookie: JSESSIONID=alice"), seen)) as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            for _ in range(2):
                async with client(up) as wire:
                    wire.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n")
                    assert (await wire.response()).head.all(b"set-cookie")
    assert [message.head.all(b"cookie") for message in seen] == [[], []]


SURPLUS = [
    pytest.param(
        "HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret", id="a body on HEAD"
    ),
    pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\nsecret", id="a body on 204"),
    pytest.param("GET", b"HTTP/1.1 304 Not Modified\r\n\r\nsecret", id="a body on 304"),
    pytest.param("GET", ok(b"short") + b"secret", id="bytes behind the length"),
    pytest.param(
        "GET",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nsecret",
        id="bytes behind the last chunk",
    ),
    pytest.param("GET", ok(b"short") + ok(b"secret"), id="a whole second response"),
]


@pytest.mark.parametrize(("method", "raw"), SURPLUS)
async def test_bytes_after_the_end_of_a_response_reach_no_client(
    method: str, raw: bytes, tier: Tier, tmp_path: Path
) -> None:
    """Promise U5; finding 12."""

    def response(asked: Message) -> bytes:
        return raw if asked.head.target == b"/evil" else ok(b"own")

    async with origin(responding(response)) as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            for _ in range(5):
                async with client(up) as wire, client(up) as other:
                    wire.send(f"{method} /evil HTTP/1.1\r\nhost: h\r\n\r\n".encode())
                    await wire.response(method)
                    for victim in (other, wire):
                        victim.send(b"GET /own HTTP/1.1\r\nhost: h\r\n\r\n")
                        assert (await victim.response()).body == b"own"
                    assert not re.search(b"secret", bytes(wire.received + other.received))
