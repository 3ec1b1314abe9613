"""The facade's own responses carry the response edits of their route."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.raw_response import body_of, head_of, status_of

TABLE = """
version: 1
backends: {gone: "http://127.0.0.1:1"}
routes:
  - name: api
    match: {path: {prefix: /api}}
    limits: {max_body_bytes: 1B, max_uri_bytes: 64B}
    response:
      headers: {set: {access-control-allow-origin: "*", content-type: text/x, cache-control: max-age=60}}
    backend_refs: [{name: gone, response: {headers: {add: {x-ref: "1"}}}}]
  - {name: text, match: {path: {exact: /text}}, direct_response: {status: 200, body: hi}}
  - name: typed
    match: {path: {exact: /typed}}
    direct_response: {status: 200, body: hi, headers: {Content-Type: text/html}}
  - {name: empty, match: {path: {exact: /empty}}, direct_response: {status: 404}}
"""


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api", b"", 502),
        ("/api/%41", b"", 502),
        ("/api", b"123", 413),
        ("/api?" + "x" * 80, b"", 414),
    ],
)
async def test_an_error_carries_them_and_stays_a_problem_document(
    tmp_path: Path, tier: Tier, path: str, body: bytes, status: int
) -> None:
    async with facade_in_loop(TABLE, tmp_path, tier=tier) as facade:
        got = await facade.get(path, method="POST" if body else "GET", body=body)
    head = head_of(got)
    assert status_of(got) == status
    assert b"access-control-allow-origin: *" in head
    assert (b"x-ref: 1" in head) == (status != 414)
    assert head.count(b"Content-Type: ") == head.count(b"Cache-Control: ") == 1
    assert b"Content-Type: application/problem+json" in head
    assert b"Cache-Control: no-store" in head


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("path", "types"),
    [("/text", [b"text/plain; charset=utf-8"]), ("/typed", [b"text/html"]), ("/empty", [])],
)
async def test_a_direct_response_with_a_body_has_a_type(
    tmp_path: Path, tier: Tier, path: str, types: list[bytes]
) -> None:
    async with facade_in_loop(TABLE, tmp_path, tier=tier) as facade:
        got = await facade.get(path)
    lines = head_of(got).split(b"\r\n")
    assert [line[14:] for line in lines if line.lower().startswith(b"content-type: ")] == types
    assert body_of(got) in (b"hi", b"")
