"""A response for an exceeded limit names the field of the table and its value, and so does its log line."""

import json
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.integration.tables import one_backend
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, status_of
from tests.support.wire import Wire

pytestmark = pytest.mark.parametrize("tier", TIERS)


async def _silent(wire: Wire) -> None:
    await wire.request_head()
    await wire.end()


@pytest.mark.parametrize(
    ("defaults", "own", "named"),
    [
        ("", "request: 300ms", "request: 0.3s"),
        ("request: 300ms", "connect: 2s", "request: 0.3s"),
        ("backend_request: 300ms", "request: 40s", "backend_request: 0.3s"),
        ("backend_request: 20s", "request: 300ms", "request: 0.3s"),
        ("", "total: 300ms, request: 300ms", "0.3s"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/%41"], ids=["usual", "general"])
async def test_a_504_names_the_timeout(
    tmp_path: Path, tier: Tier, defaults: str, own: str, named: str, path: str
) -> None:
    async with origin(_silent) as legacy:
        table = one_backend(legacy.url, f"defaults: {{timeouts: {{{defaults}}}}}\n").replace(
            "name: all,", f"name: all, timeouts: {{{own}}},"
        )
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = await facade.get(path)
            (line,) = await facade.log_lines(1)
    assert status_of(got) == 504
    detail = json.loads(body_of(got))["detail"]
    assert detail.endswith(named)
    assert (line["reason"], line["error"]) == ("timeout", detail)


async def test_an_attempt_has_the_time_of_its_request(tmp_path: Path, tier: Tier) -> None:
    """A default of `backend_request` that is shorter than the `request` of the route would end it."""
    async with origin(responding(ok(b"ok"))) as legacy:
        table = one_backend(legacy.url, "defaults: {timeouts: {request: 100s}}\n")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            (route,) = facade.app.table.current.table.routes
            got = await facade.get("/")
            (line,) = await facade.log_lines(1)
    assert status_of(got) == 200
    assert route.timeouts.attempt_s == 100.0
    assert "error" not in line


@pytest.mark.parametrize("body", ["content-length: 9\r\n\r\n123456789", "chunks"])
async def test_a_413_names_the_limit_and_the_route(tmp_path: Path, tier: Tier, body: str) -> None:
    if body == "chunks":
        body = "transfer-encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n"
    head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
    async with origin(responding(ok(b"ok"))) as legacy:
        table = one_backend(legacy.url, "defaults: {limits: {max_body_bytes: 8B}}\n")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = await facade.send(f"{head}{body}".encode())
            (line,) = await facade.log_lines(1)
    assert status_of(got) == 413
    assert json.loads(body_of(got))["detail"] == (
        "the body exceeds limits.max_body_bytes of route all: 8 bytes"
    )
    assert line["error"] == "the body exceeds limits.max_body_bytes of route all: 8 bytes"
