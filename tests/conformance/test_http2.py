"""HTTP/2 where HTTP/1.1 is needed: it is named as what it is."""

import asyncio
import struct
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import origin
from tests.support.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + struct.pack("!HI", 3, 100) * 3
GOAWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + struct.pack("!II", 0, 1)
NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"
"""A fatal alert of TLS."""
GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"


async def test_http_2_at_the_listener_is_refused_and_logged(tier: Tier, tmp_path: Path) -> None:
    """RFC 9110 15.6.6."""
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path) as up:
        async with client(up) as wire:
            wire.send(PREFACE + SETTINGS)
            assert (await wire.response()).head.status == 505
        line = (await up.log_lines(1))[0]
    assert (line["status"], line["reason"], line["client"]) == (505, "unknown_version", "127.0.0.1")
    assert "HTTP/2" in line["error"]
    assert (line["route"], "method" in line) == (None, False)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"hello\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000, "head_too_large"),
    ],
    ids=["no request line", "no Host", "too large"],
)
async def test_what_is_refused_before_there_is_a_request_is_logged(
    raw: bytes, reason: str, tier: Tier, tmp_path: Path
) -> None:
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path) as up:
        async with client(up) as wire:
            wire.send(raw)
            status = (await wire.response()).head.status
        lines = await up.log_lines(1)
    assert [(line["status"], line["reason"]) for line in lines] == [(status, reason)]


async def _speaks_first(wire: Wire) -> None:
    wire.send(SETTINGS)
    await wire.flush()
    await wire.end()


async def _speaks_second(wire: Wire) -> None:
    await wire.request_head()
    wire.send(SETTINGS + GOAWAY)
    await wire.flush()
    await wire.end()


@pytest.mark.parametrize("script", [_speaks_first, _speaks_second])
async def test_a_backend_that_speaks_http_2_is_named_as_such(
    script: object, tier: Tier, tmp_path: Path
) -> None:
    assert callable(script)
    async with origin(script) as made, facade(tier, table(made.url), tmp_path) as up:
        for _ in range(5):
            async with client(up) as wire:
                wire.send(GET)
                got = await wire.response()
            assert got.head.status == 502
            assert b"backend legacy speaks HTTP/2 where HTTP/1.1 is needed" in got.body
            await asyncio.sleep(0)


async def test_a_backend_whose_tls_has_http_2_only_is_named_as_such(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 7301 3.2."""

    async def refuses(wire: Wire) -> None:
        await wire.more()
        wire.send(NO_APPLICATION_PROTOCOL)
        await wire.flush()
        await wire.end()

    async with origin(refuses) as made:
        url = f"https://localhost:{made.port}"
        async with facade(tier, table(url), tmp_path) as up, client(up) as wire:
            wire.send(GET)
            got = await wire.response()
    assert got.head.status == 502
    assert b"speaks HTTP/2 only" in got.body
