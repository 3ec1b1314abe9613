"""A backend that refuses a head: the log says how large it was, and what the facade added to it."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import Responses, ok, origin, responding
from tests.support.raw_response import status_of
from tests.support.wire import Message

PATHS = pytest.mark.parametrize("path", ["/x", "/%78"], ids=["usual", "general"])
TABLE = """
version: 1
backends: {{legacy: {{url: "{url}"{backend}}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
LESS = ", headers: {remove: [forwarded, x-forwarded-host, traceparent, via]}"
COUNTED = b'facade_added_fields_refused_total{backend="legacy"} 1'


def _limited(status: bytes, fields: int, line_bytes: int) -> Responses:
    """As httpd: it takes so many fields, and so many bytes in each line."""

    def respond(request: Message) -> bytes:
        lines = request.head.field_lines
        if len(lines) > fields or max(map(len, lines)) > line_bytes:
            return b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status
        return ok(b"ok")

    return respond


def _own_fields(count: int) -> tuple[str, ...]:
    """With the two that each request of a test has, `count` fields."""
    return tuple(f"x-{number}: {number}" for number in range(count - 2))


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("status", [b"400 Bad Request", b"431 Too Large"])
async def test_fields_past_the_limit_of_a_backend_are_logged_and_counted(
    tmp_path: Path, tier: Tier, path: str, status: bytes
) -> None:
    async with origin(responding(_limited(status, 100, 8190))) as legacy:
        table = TABLE.format(url=legacy.url, backend="")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = await facade.get(path, *_own_fields(96))
            (line,) = await facade.log_lines(1)
            metrics = await facade.get("/metrics", admin=True)
    assert status_of(got) == int(status[:3])
    # `Connection` of the client is not among those that are sent.
    assert (line["sent_fields"], line["added_fields"]) == (102, 7)
    assert line["sent_field_bytes"] > 900
    assert COUNTED in metrics


@PATHS
@pytest.mark.parametrize("tier", TIERS)
async def test_with_fewer_added_fields_the_request_is_taken(
    tmp_path: Path, tier: Tier, path: str
) -> None:
    async with origin(responding(_limited(b"400 No", 100, 8190))) as legacy:
        table = TABLE.format(url=legacy.url, backend=LESS)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            assert status_of(await facade.get(path, *_own_fields(96))) == 200
            (line,) = await facade.log_lines(1)
    assert "sent_fields" not in line


@PATHS
@pytest.mark.parametrize("tier", TIERS)
async def test_a_refusal_of_a_small_head_is_not_counted(
    tmp_path: Path, tier: Tier, path: str
) -> None:
    async with origin(responding(_limited(b"400 No", 1, 8190))) as legacy:
        table = TABLE.format(url=legacy.url, backend="")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            await facade.get(path)
            (line,) = await facade.log_lines(1)
            metrics = await facade.get("/metrics", admin=True)
    assert (line["sent_fields"], line["added_fields"]) == (8, 7)
    assert COUNTED not in metrics


@pytest.mark.parametrize("tier", TIERS)
async def test_a_list_that_the_facade_makes_too_long_is_counted(tmp_path: Path, tier: Tier) -> None:
    hops = ", ".join(["192.0.2.7"] * 743)
    async with origin(responding(_limited(b"400 No", 100, 8190))) as legacy:
        table = TABLE.format(url=legacy.url, backend="") + (
            "defaults: {forwarded: {trusted_proxies: [127.0.0.0/8]}}\n"
        )
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = await facade.get("/", f"x-forwarded-for: {hops}")
            metrics = await facade.get("/metrics", admin=True)
    assert len(f"x-forwarded-for: {hops}") <= 8190
    assert status_of(got) == 400
    assert COUNTED in metrics
