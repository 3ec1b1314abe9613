"""The facade between real sockets: requests and responses that pass through it."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.integration.tables import one_backend
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, head_of, status_of
from tests.support.wire import Message, Wire


async def test_a_request_goes_on_as_it_was_sent(tmp_path: Path) -> None:
    seen: list[Message] = []
    async with origin(
        responding(ok(b"hi", b"set-cookie: a=1", b"set-cookie: b=2"), seen)
    ) as legacy:
        async with facade_in_loop(one_backend(legacy.url), tmp_path) as facade:
            response = await facade.get(
                "/a%2Fb/..;v=1//c?x=%7E&&y", "X-Own: 1", "x-own: 2", "connection: x-hop", "x-hop: 1"
            )
    assert seen[0].raw.startswith(b"GET /a%2Fb/..;v=1//c?x=%7E&&y HTTP/1.1\r\n")
    assert b"X-Own: 1\r\nx-own: 2\r\n" in seen[0].raw
    assert b"x-hop" not in seen[0].raw
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in seen[0].raw
    assert b"X-Forwarded-Host: facade.example\r\n" in seen[0].raw
    assert b"\r\nHost: facade.example\r\n" in seen[0].raw
    assert (status_of(response), body_of(response)) == (200, b"hi")
    assert b"set-cookie: a=1\r\nset-cookie: b=2\r\n" in response
    assert b"x-facade-decision: route=all backend=legacy reason=only" in response


async def test_a_table_that_sets_the_request_id_has_the_last_word_each_time(tmp_path: Path) -> None:
    """The edited field is there once, and what the table leaves alone is each request's own."""
    seen: list[Message] = []
    edits = "request: {headers: {set: {x-request-id: ours}}}"
    get = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    async with origin(responding(ok(b"hi"), seen)) as legacy:
        edited = one_backend(legacy.url).replace("name: all,", f"name: all, {edits},")
        async with facade_in_loop(edited, tmp_path) as facade:
            reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
            for _ in range(3):
                writer.write(get)
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\nhi"), 5)
            writer.close()
    traces = {line for each in seen for line in each.raw.split(b"\r\n") if b"traceparent" in line}
    assert [each.raw.count(b"x-request-id: ours\r\n") for each in seen] == [1, 1, 1]
    assert [each.raw.lower().count(b"x-request-id") for each in seen] == [1, 1, 1]
    assert len(traces) == 3


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_goes_on(tmp_path: Path, chunked: bool) -> None:
    seen: list[Message] = []
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 11"
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" if chunked else b"hello world"
    async with origin(responding(ok(b"done"), seen)) as legacy:
        async with facade_in_loop(one_backend(legacy.url), tmp_path) as facade:
            response = await facade.send(
                b"POST /p HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
                + framing
                + b"\r\n\r\n"
                + body
            )
    assert body_of(response) == b"done"
    head, _, sent = seen[0].raw.partition(b"\r\n\r\n")
    assert framing in head
    assert head.count(b"Content-Length") + head.count(b"Transfer-Encoding") == 1
    if chunked:
        assert sent.endswith(b"0\r\n\r\n")
        assert b"hello" in sent
    else:
        assert sent == b"hello world"


async def test_a_response_streams_before_it_is_complete(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        wire.send(b"3\r\ntwo\r\n0\r\n\r\n")

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        first = await asyncio.wait_for(reader.readuntil(b"one\r\n"), 5)
        go_on.set()
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert b"two" not in first
    assert rest == b"3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "head", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"204", b""),
        (b"HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 9\r\n\r\n", b"304", b""),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", b"200", b"to the end"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ok(b"final"), b"200", b"final"),
    ],
    ids=["204", "304 with a length", "a body that ends by close", "1xx goes before the response"],
)
async def test_a_response_comes_back(
    tmp_path: Path, response: bytes, head: bytes, body: bytes
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(response)

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        got = await facade.get("/")
    if b"103 Early" in response:
        interim, _, got = got.partition(b"\r\n\r\n")
        assert interim == b"HTTP/1.1 103 Early Hints\r\nlink: x"
    assert head_of(got).startswith(b"HTTP/1.1 " + head)
    assert body in body_of(got)
    if not body:
        assert body_of(got) == b""


async def test_a_head_request_keeps_its_length_and_has_no_body(tmp_path: Path) -> None:
    made = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    async with (
        origin(responding(made)) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        got = await facade.get("/", method="HEAD")
    assert b"Content-Length: 5" in got
    assert body_of(got) == b""


TWO = """
version: 1
kill_switch: {killed}
backends: {{legacy: {legacy}, new: {new}}}
routes:
  - name: list
    stage: canary
    match: {{path: {{prefix: /t/list}}}}
    backend_refs:
      - {{name: legacy, weight: 75}}
      - {{name: new, weight: 25, url_rewrite: {{path: {{replace_prefix_match: /list}}}}}}
  - name: gone
    match: {{path: {{exact: /gone}}}}
    direct_response: {{status: 410, body: gone}}
  - name: old
    match: {{path: {{exact: /old}}}}
    redirect: {{status: 308, path: /t/list}}
"""


async def test_the_draw_chooses_and_each_backend_is_asked_in_its_own_way(tmp_path: Path) -> None:
    draws = iter([2499, 2500])
    at_legacy: list[Message] = []
    at_new: list[Message] = []
    async with (
        origin(responding(ok(b"legacy"), at_legacy)) as legacy,
        origin(responding(ok(b"new"), at_new)) as new,
    ):
        table = TWO.format(killed="false", legacy=legacy.url, new=new.url)
        async with facade_in_loop(table, tmp_path, draw=lambda: next(draws)) as facade:
            bodies = [body_of(await facade.get("/t/list/1?q")) for _ in range(2)]
    assert bodies == [b"new", b"legacy"]
    assert at_new[0].raw.startswith(b"GET /list/1?q HTTP/1.1")
    assert at_legacy[0].raw.startswith(b"GET /t/list/1?q HTTP/1.1")


async def test_a_direct_response(tmp_path: Path) -> None:
    table = TWO.format(killed="false", legacy="http://127.0.0.1:1", new="http://127.0.0.1:1")
    async with facade_in_loop(table, tmp_path) as facade:
        gone = await facade.get("/gone")
        old = await facade.get("/old?x=1")
        nowhere = await facade.get("/nowhere")
        odd = await facade.get("/t%2Flist")
    assert (status_of(gone), body_of(gone)) == (410, b"gone")
    assert status_of(old) == 308
    assert b"Location: /t/list?x=1\r\n" in old
    assert (status_of(nowhere), json.loads(body_of(nowhere))["reason"]) == (404, "no_route")
    assert (status_of(odd), json.loads(body_of(odd))["reason"]) == (400, "ambiguous_path")


@pytest.mark.parametrize("target", ["/a?", "/a", "/a?b", "/?", "http://h/a?", "http://H/"])
async def test_a_target_goes_on_with_its_question_mark(tmp_path: Path, target: str) -> None:
    seen: list[Message] = []
    async with origin(responding(ok(b""), seen)) as legacy:
        async with facade_in_loop(one_backend(legacy.url), tmp_path) as facade:
            await facade.send(
                f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode()
            )
    sent = (
        target.partition("://")[2].lower().removeprefix("h") or "/" if "://" in target else target
    )
    assert seen[0].raw.split(b" ")[1] == sent.encode()


async def test_trailers_are_no_headers_whichever_packet_they_come_in(tmp_path: Path) -> None:
    seen: list[Message] = []
    async with origin(responding(ok(b""), seen)) as legacy:
        async with facade_in_loop(one_backend(legacy.url), tmp_path) as facade:
            got = await facade.send(
                b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n0\r\nauthorization: evil\r\nhost: evil\r\n\r\n"
            )
    assert status_of(got) == 200
    assert b"evil" not in seen[0].raw


async def test_a_response_is_mapped_back_through_the_rewrite(tmp_path: Path) -> None:
    fields = (b"location: /list/2", b"set-cookie: a=1; Path=/list", b'link: </list/3>; rel="next"')
    async with origin(responding(ok(b"", *fields))) as new:
        table = TWO.format(killed="false", legacy="http://127.0.0.1:1", new=new.url)
        async with facade_in_loop(table, tmp_path, draw=lambda: 0) as facade:
            got = await facade.get("/t/list/1")
    assert b"location: /t/list/2\r\n" in got
    assert b"set-cookie: a=1; Path=/t/list\r\n" in got
    assert b'link: </t/list/3>; rel="next"' in got


async def test_only_listed_clients_are_told_the_decision(tmp_path: Path) -> None:
    hidden = "defaults: {explain: {expose_to: [192.0.2.0/24]}}\n"
    async with origin(responding(ok(b""))) as legacy:
        async with facade_in_loop(one_backend(legacy.url, hidden), tmp_path) as facade:
            assert b"x-facade-decision" not in await facade.get("/")


async def test_each_request_leaves_one_line(tmp_path: Path) -> None:
    async with origin(responding(ok(b"hello"))) as legacy:
        async with facade_in_loop(one_backend(legacy.url), tmp_path, draw=lambda: 1234) as facade:
            await facade.get("/p?token=secret", "authorization: Bearer secret")
        lines = [json.loads(line) for line in facade.access_log.read_text().splitlines()]
    assert len(lines) == 1
    line = lines[0]
    assert (line["method"], line["target"], line["host"]) == ("GET", "/p", "facade.example")
    assert (line["route"], line["backend"], line["reason"]) == ("all", "legacy", "only")
    assert (line["status"], line["sent_bytes"], line["complete"], line["bucket"]) == (
        200,
        5,
        True,
        12.34,
    )
    assert line["first_byte_ms"] <= line["total_ms"]
    assert "secret" not in facade.access_log.read_text()


async def test_a_backend_may_carry_another_transport(tmp_path: Path) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"x-from": "mock"}, content=request.url.raw_path)

    mock = httpx.MockTransport(reply)
    async with facade_in_loop(
        one_backend("http://127.0.0.1:1"), tmp_path, transports={"legacy": mock}
    ) as facade:
        got = await facade.get("/a%2Fb?c", method="POST", body=b"x")
    assert (status_of(got), body_of(got)) == (201, b"/a%2Fb?c")
    assert b"x-from: mock" in got
