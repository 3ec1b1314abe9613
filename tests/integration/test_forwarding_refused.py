"""Requests that the facade refuses."""

import json
from pathlib import Path

import pytest

from tests.integration.tables import one_backend
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, status_of
from tests.support.wire import Message


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    seen: list[Message] = []
    limit = "defaults: {limits: {max_body_bytes: 1KiB}}\n"
    async with origin(responding(ok(b""), seen)) as legacy:
        async with facade_in_loop(one_backend(legacy.url, limit), tmp_path) as facade:
            declared = await facade.get("/", method="POST", body=b"x" * 1025)
            streamed = await facade.send(
                b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n"
            )
            fits = await facade.get("/", method="POST", body=b"x" * 1024)
    assert [status_of(each) for each in (declared, streamed, fits)] == [413, 413, 200]
    assert len(seen) == 1


async def test_a_head_beyond_its_limits_is_refused(tmp_path: Path) -> None:
    seen: list[Message] = []
    limits = "defaults: {limits: {max_uri_bytes: 1KiB, max_headers: 10}}\n"
    async with origin(responding(ok(b""), seen)) as legacy:
        async with facade_in_loop(one_backend(legacy.url, limits), tmp_path) as facade:
            long = await facade.get("/" + "a" * 1024)
            many = await facade.get("/", *(f"x-{number}: 1" for number in range(9)))
            fits = await facade.get("/", *(f"x-{number}: 1" for number in range(8)))
    assert [status_of(each) for each in (long, many, fits)] == [414, 431, 200]
    assert len(seen) == 1


@pytest.mark.parametrize("target", ["http://other/a", "/a#b", "/a?b#c", "http://h/a#b"])
async def test_an_odd_target_is_refused(tmp_path: Path, target: str) -> None:
    async with facade_in_loop(one_backend("http://127.0.0.1:1"), tmp_path) as facade:
        raw = f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode()
        got = await facade.send(raw)
    assert status_of(got) == 400
    assert b"application/problem+json" in got


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked"])
async def test_another_transfer_coding_is_not_taken_for_chunked(
    tmp_path: Path, coding: str
) -> None:
    async with facade_in_loop(one_backend("http://127.0.0.1:1"), tmp_path) as facade:
        got = await facade.send(
            f"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: {coding}\r\n\r\n"
            "0\r\n\r\n".encode()
        )
    assert status_of(got) in (400, 501)


async def test_what_is_not_http_gets_a_problem(tmp_path: Path) -> None:
    async with facade_in_loop(one_backend("http://127.0.0.1:1"), tmp_path) as facade:
        got = await facade.send(b"\x16\x03\x01\x02\x00\x01")
    assert status_of(got) == 400
    assert b"Content-Type: application/problem+json" in got
    assert json.loads(body_of(got))["reason"] == "bad_request"


async def test_a_bad_host_is_refused(tmp_path: Path) -> None:
    async with facade_in_loop(one_backend("http://127.0.0.1:1"), tmp_path) as facade:
        missing = await facade.send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        twice = await facade.send(
            b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n"
        )
        odd = await facade.send(b"GET / HTTP/1.1\r\nhost: a/x?\r\nconnection: close\r\n\r\n")
    assert [status_of(each) for each in (missing, twice, odd)] == [400, 400, 400]
