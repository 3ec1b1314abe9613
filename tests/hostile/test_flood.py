"""Requests of which none is like another do not grow the memory: all that is remembered of them is bounded."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.support.facade_in_process import InProcess

_TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1"}
defaults: {forwarded: {trusted_proxies: [192.0.2.0/24]}}
routes:
  - {name: beta, match: {path: {prefix: /beta}, cookies: {beta: {exact: "1"}}}, backend_refs: legacy}
  - {name: rest, backend_refs: legacy}
"""
_MOST_BYTES = 2 * 1024 * 1024
# After that many, what is bounded has been full.
_WARM = 5_000
_HEAD = (
    b"GET /%d/x?page=%d HTTP/1.1\r\nHost: h%d.example\r\nUser-Agent: agent/%d\r\nAccept: a/%d\r\n"
    b"X-Odd-%d: 1\r\nCookie: id=%d\r\nX-Forwarded-For: 10.%d.%d.%d\r\n\r\n"
)


def _unlike(start: int, end: int) -> Iterator[bytes]:
    for number in range(start, end):
        low, middle, high = number & 255, number >> 8 & 255, number >> 16 & 255
        yield _HEAD % (*[number] * 7, high, middle, low)


@pytest.mark.parametrize(
    "count", [10_000, pytest.param(1_000_000, marks=pytest.mark.soak)], ids=["short", "long"]
)
async def test_unlike_requests_do_not_grow_the_memory(count: int) -> None:
    facade = InProcess(_TABLE, quick=True)
    assert await facade.send_one_by_one(_unlike(0, _WARM)) == _WARM
    gc.collect()
    tracemalloc.start()
    try:
        assert await facade.send_one_by_one(_unlike(_WARM, _WARM + count)) == count
        gc.collect()
        grown_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    facade.close()
    assert grown_bytes < _MOST_BYTES
