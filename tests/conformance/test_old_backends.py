"""Backends that deviate from HTTP/1.1: refused, unless the table tolerates it (RFC 9112 2.2, 5.1, 5.2, 6.3)."""

from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import origin, responding
from tests.support.wire import Wire, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
DEVIATIONS = {
    "folded_fields": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\nok",
    "bare_lf": b"HTTP/1.1 200 OK\nx-a: b c\ncontent-length: 2\n\nok",
    "space_before_colon": b"HTTP/1.1 200 OK\r\nx-a : b c\r\ncontent-length: 2\r\n\r\nok",
    "repeated_content_length": (
        b"HTTP/1.1 200 OK\r\nx-a: b c\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"
    ),
}


async def metric(up: RunningFacade, kind: str) -> bytes:
    """The value of the counter for a deviation; empty without one."""
    async with connected(up.admin.host, up.admin.port) as wire:
        wire.send(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        text = (await wire.response()).body
    line = b'facade_upstream_tolerated_total{backend="legacy",kind="%b"} ' % kind.encode()
    return text.partition(line)[2].partition(b"\n")[0]


async def asked(wire: Wire) -> int:
    wire.send(GET)
    response = await wire.response()
    if response.head.status == 200:
        assert (response.head.one(b"x-a").strip(), response.body) == (b"b c", b"ok")
        assert response.head.one(b"content-length").strip() == b"2"
    return response.head.status


@pytest.mark.parametrize("kind", DEVIATIONS)
async def test_a_deviation_is_refused_unless_it_is_tolerated(
    tier: Tier, tmp_path: Path, kind: str
) -> None:
    others = ", ".join(each for each in DEVIATIONS if each != kind)
    async with origin(responding(DEVIATIONS[kind])) as made:
        for number, (tolerated, status) in enumerate((("", 502), (others, 502), (kind, 200))):
            folder = tmp_path / str(number)
            folder.mkdir()
            routes = table(made.url, backend=f"tolerate: [{tolerated}]")
            async with facade(tier, routes, folder) as up, client(up) as wire:
                assert await asked(wire) == status
                assert await asked(wire) == status
                if status == 200:
                    assert await metric(up, kind) == b"2"


async def test_blanks_after_the_size_of_a_chunk_are_read(tier: Tier, tmp_path: Path) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5   \r\nhello\r\n1 \t\r\n!\r\n0  \r\n\r\n"
    async with (
        origin(responding(chunked)) as made,
        facade(tier, table(made.url), tmp_path) as up,
        client(up) as wire,
    ):
        wire.send(GET)
        assert (await wire.response()).body == b"hello!"


async def test_blanks_after_the_size_of_a_chunk_of_a_request_are_refused(
    tier: Tier, tmp_path: Path
) -> None:
    """Tolerance is for backends. Two readers of a request must not differ."""
    post = b"POST /a HTTP/1.1\r\nhost: facade.example\r\ntransfer-encoding: chunked\r\n\r\n2  \r\nhi\r\n0\r\n\r\n"
    async with (
        origin(responding(DEVIATIONS["bare_lf"])) as made,
        facade(tier, table(made.url, backend="tolerate: [bare_lf]"), tmp_path) as up,
        client(up) as wire,
    ):
        wire.send(post)
        assert (await wire.response()).head.status == 400
