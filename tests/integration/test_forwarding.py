"""The facade between real sockets: what goes on, what comes back, and what happens when either side fails."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.integration.running import Running, answering, backend, eventually, ok, running

ONE = """
version: 1
backends: {{legacy: {url}}}
routes: [{{name: all, backend_refs: legacy}}]
"""


def one(url: str, extra: str = "") -> str:
    return ONE.format(url=url) + extra


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def head_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[0]


async def test_a_request_goes_on_as_it_was_sent(tmp_path: Path) -> None:
    seen: list[bytes] = []
    async with backend(
        answering(ok(b"hi", b"set-cookie: a=1", b"set-cookie: b=2"), seen)
    ) as legacy:
        async with running(one(legacy.url), tmp_path) as facade:
            answer = await facade.get(
                "/a%2Fb/..;v=1//c?x=%7E&&y", "X-Own: 1", "x-own: 2", "connection: x-hop", "x-hop: 1"
            )
    assert seen[0].startswith(b"GET /a%2Fb/..;v=1//c?x=%7E&&y HTTP/1.1\r\n")
    assert b"x-own: 1\r\nx-own: 2\r\n" in seen[0]
    assert b"x-hop" not in seen[0]
    assert b"x-forwarded-for: 127.0.0.1\r\n" in seen[0]
    assert b"x-forwarded-host: facade.example\r\n" in seen[0]
    assert b"host: 127.0.0.1:%d\r\n" % legacy.port in seen[0]
    assert (status_of(answer), body_of(answer)) == (200, b"hi")
    assert b"set-cookie: a=1\r\nset-cookie: b=2\r\n" in answer
    assert b"x-facade-decision: route=all backend=legacy reason=only" in answer


async def test_a_table_that_sets_the_request_id_has_the_last_word_each_time(tmp_path: Path) -> None:
    """The edited field is there once, and what the table leaves alone is each request's own."""
    seen: list[bytes] = []
    edits = "request: {headers: {set: {x-request-id: ours}}}"
    get = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    async with backend(answering(ok(b"hi"), seen)) as legacy:
        edited = one(legacy.url).replace("name: all,", f"name: all, {edits},")
        async with running(edited, tmp_path) as facade:
            reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
            for _ in range(3):
                writer.write(get)
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\nhi"), 5)
            writer.close()
    traces = {line for head in seen for line in head.split(b"\r\n") if b"traceparent" in line}
    assert [head.count(b"x-request-id: ours\r\n") for head in seen] == [1, 1, 1]
    assert [head.count(b"x-request-id") for head in seen] == [1, 1, 1]
    assert len(traces) == 3


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_goes_on(tmp_path: Path, chunked: bool) -> None:
    seen: list[bytes] = []
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: 11"
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" if chunked else b"hello world"
    async with backend(answering(ok(b"done"), seen)) as legacy:
        async with running(one(legacy.url), tmp_path) as facade:
            answer = await facade.ask(
                b"POST /p HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
                + framing
                + b"\r\n\r\n"
                + body
            )
    assert body_of(answer) == b"done"
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert framing in head
    assert head.count(b"content-length") + head.count(b"transfer-encoding") == 1
    if chunked:
        assert sent.endswith(b"0\r\n\r\n")
        assert b"hello" in sent
    else:
        assert sent == b"hello world"


async def test_an_answer_streams_before_it_is_complete(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        first = await asyncio.wait_for(reader.readuntil(b"one\r\n"), 5)
        go_on.set()
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert b"two" not in first
    assert rest == b"3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "head", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"204", b""),
        (b"HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 9\r\n\r\n", b"304", b""),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", b"200", b"to the end"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ok(b"final"), b"200", b"final"),
    ],
    ids=["204", "304 with a length", "a body that ends by close", "1xx goes before the answer"],
)
async def test_an_answer_comes_back(
    tmp_path: Path, answer: bytes, head: bytes, body: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        got = await facade.get("/")
    if b"103 Early" in answer:
        interim, _, got = got.partition(b"\r\n\r\n")
        assert interim == b"HTTP/1.1 103 Early Hints\r\nlink: x"
    assert head_of(got).startswith(b"HTTP/1.1 " + head)
    assert body in body_of(got)
    if not body:
        assert body_of(got) == b""


async def test_a_head_request_keeps_its_length_and_has_no_body(tmp_path: Path) -> None:
    made = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    async with backend(answering(made)) as legacy, running(one(legacy.url), tmp_path) as facade:
        got = await facade.get("/", method="HEAD")
    assert b"content-length: 5" in got
    assert body_of(got) == b""


async def test_nobody_listens_behind_us(tmp_path: Path) -> None:
    async with backend(answering(ok(b""))) as gone:
        url = gone.url
    async with running(one(url), tmp_path) as facade:
        got = await facade.get("/")
    problem = json.loads(body_of(got))
    assert (status_of(got), problem["status"], problem["reason"]) == (502, 502, "unreachable")
    assert b"content-type: application/problem+json" in got
    assert b"reason=unreachable" in got


async def test_no_answer_in_time(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    table = "defaults: {timeouts: {backend_request: 300ms}}\n"
    async with backend(talk) as legacy, running(one(legacy.url, table), tmp_path) as facade:
        got = await facade.get("/")
        await asyncio.wait_for(legacy.closed.wait(), 5)
    assert status_of(got) == 504
    assert json.loads(body_of(got))["reason"] == "timeout"


async def test_every_connection_is_taken(tmp_path: Path) -> None:
    asked, let_go = asyncio.Semaphore(0), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.release()
        await let_go.wait()
        writer.write(ok(b"late"))

    async with backend(talk) as legacy:
        table = f"""
version: 1
backends:
  legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1, max_pending_requests: 1}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
        async with running(table, tmp_path) as facade:
            first = asyncio.create_task(facade.get("/1"))
            await asked.acquire()
            second = asyncio.create_task(facade.get("/2"))
            await eventually(
                lambda: sum(s.pending for s in facade.facade.upstream_stats().values()) == 1
            )
            third = await facade.get("/3")
            let_go.set()
            assert [status_of(await first), status_of(await second)] == [200, 200]
    assert status_of(third) == 503
    assert b"retry-after: " in third
    assert json.loads(body_of(third))["reason"] == "busy"


async def test_a_wait_for_a_connection_counts_for_the_request(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(1.5)
        writer.write(ok(b"late"))
        await reader.read()

    async with backend(talk) as legacy:
        table = f"""
version: 1
backends: {{legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1}}}}}}
routes: [{{name: all, backend_refs: legacy, timeouts: {{request: 2s, connect: 5s}}}}]
"""
        async with running(table, tmp_path) as facade:
            asked = [asyncio.create_task(facade.get(f"/{number}")) for number in range(2)]
            answers = sorted(map(status_of, await asyncio.gather(*asked)))
            await eventually(lambda: len(facade.access_log.read_text().splitlines()) == 2)
            lines = [json.loads(line) for line in facade.access_log.read_text().splitlines()]
    assert answers == [200, 504]
    late = next(line for line in lines if line["status"] == 504)
    assert 1_900 < late["total_ms"] < 3_000


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"content-length: %d\r\n\r\n%b", id="a length"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n", id="chunks"),
        pytest.param(
            b"trailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx-end: 1\r\n\r\n",
            id="chunks and trailers",
        ),
    ],
)
async def test_who_waited_for_the_one_connection_and_who_had_it_get_their_own_answers(
    tmp_path: Path, framed: bytes
) -> None:
    """It is handed on before the answer that came over it is told: the next request must not touch that."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            writer.write(b"HTTP/1.1 200 OK\r\n" + framed % (len(target), target))

    async def ask(facade: Running, number: int) -> None:
        target = b"/" + b"y" * number
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        for _ in range(20):
            writer.write(b"GET %b HTTP/1.1\r\nhost: h\r\nte: trailers\r\n\r\n" % target)
            head = await reader.readuntil(b"\r\n\r\n")
            end = b"" if b"content-length" in head else b"\r\n\r\n"
            got = await (reader.readuntil(end) if end else reader.readexactly(len(target)))
            assert target in got
            assert b"y" * (number + 1) not in got
            assert (b"x-end: 1" in got) == (b"x-end" in framed)
        writer.close()

    async with backend(talk) as legacy:
        table = f"""
version: 1
backends: {{legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1}}}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
        async with running(table, tmp_path) as facade, asyncio.timeout(20):
            await asyncio.gather(*(ask(facade, number) for number in range(8)))


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_an_answer_that_breaks_off_is_seen_to(tmp_path: Path, framing: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        part = b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + part)
        await writer.drain()

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        got = await facade.get("/")
        await eventually(facade.access_log.read_text)
        line = json.loads(facade.access_log.read_text().splitlines()[0])
    assert b"hello" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert (line["status"], line["complete"], line["reason"]) == (200, False, "broke")


async def test_an_early_answer_reaches_the_client_during_its_upload(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nstart")
        got = await asyncio.wait_for(reader.readuntil(b"no"), 5)
        writer.close()
    assert status_of(got) == 413


async def test_a_client_that_leaves_takes_its_request_with_it(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        _, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await asked.wait()
        writer.close()
        await asyncio.wait_for(legacy.closed.wait(), 1)
        await eventually(facade.access_log.read_text)
        line = json.loads(facade.access_log.read_text().splitlines()[0])
    assert (line["reason"], line["complete"]) == ("client_gone", False)


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_an_upload_that_breaks_off_is_not_forged_complete(
    tmp_path: Path, framing: bytes
) -> None:
    received = bytearray()
    started = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while data := await reader.read(1000):
            received.extend(data)
            started.set()

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        _, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        part = b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\n" + framing + b"\r\n\r\n" + part)
        await started.wait()
        writer.close()
        await asyncio.wait_for(legacy.closed.wait(), 1)
    assert b"hello" in received
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    seen: list[bytes] = []
    limit = "defaults: {limits: {max_body_bytes: 1KiB}}\n"
    async with backend(answering(ok(b""), seen)) as legacy:
        async with running(one(legacy.url, limit), tmp_path) as facade:
            declared = await facade.get("/", method="POST", body=b"x" * 1025)
            streamed = await facade.ask(
                b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                b"401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n"
            )
            fits = await facade.get("/", method="POST", body=b"x" * 1024)
    assert [status_of(each) for each in (declared, streamed, fits)] == [413, 413, 200]
    assert len(seen) == 1


async def test_a_head_beyond_its_limits_is_refused(tmp_path: Path) -> None:
    seen: list[bytes] = []
    limits = "defaults: {limits: {max_uri_bytes: 1KiB, max_headers: 10}}\n"
    async with backend(answering(ok(b""), seen)) as legacy:
        async with running(one(legacy.url, limits), tmp_path) as facade:
            long = await facade.get("/" + "a" * 1024)
            many = await facade.get("/", *(f"x-{number}: 1" for number in range(9)))
            fits = await facade.get("/", *(f"x-{number}: 1" for number in range(8)))
    assert [status_of(each) for each in (long, many, fits)] == [414, 431, 200]
    assert len(seen) == 1


async def test_a_slow_reader_does_not_fatten_the_facade(tmp_path: Path) -> None:
    """Of 64 MB, the backend gets rid of what the sockets and bounded buffers hold, no more."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
        for _ in range(640):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with backend(talk) as legacy, running(one(legacy.url), tmp_path) as facade:
        reader, writer = await asyncio.open_connection(
            facade.listen.host, facade.listen.port, limit=1000
        )
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while sent != before:  # Until nothing moves any more.
            before = sent
            await asyncio.sleep(0.3)
        writer.transport.abort()
    assert sent < 24_000_000


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
    at_legacy: list[bytes] = []
    at_new: list[bytes] = []
    async with (
        backend(answering(ok(b"legacy"), at_legacy)) as legacy,
        backend(answering(ok(b"new"), at_new)) as new,
    ):
        table = TWO.format(killed="false", legacy=legacy.url, new=new.url)
        async with running(table, tmp_path, draw=lambda: next(draws)) as facade:
            bodies = [body_of(await facade.get("/t/list/1?q")) for _ in range(2)]
    assert bodies == [b"new", b"legacy"]
    assert at_new[0].startswith(b"GET /list/1?q HTTP/1.1")
    assert at_legacy[0].startswith(b"GET /t/list/1?q HTTP/1.1")


async def test_the_facade_answers_by_itself(tmp_path: Path) -> None:
    table = TWO.format(killed="false", legacy="http://127.0.0.1:1", new="http://127.0.0.1:1")
    async with running(table, tmp_path) as facade:
        gone = await facade.get("/gone")
        old = await facade.get("/old?x=1")
        nowhere = await facade.get("/nowhere")
        odd = await facade.get("/t%2Flist")
    assert (status_of(gone), body_of(gone)) == (410, b"gone")
    assert status_of(old) == 308
    assert b"location: /t/list?x=1\r\n" in old
    assert (status_of(nowhere), json.loads(body_of(nowhere))["reason"]) == (404, "no_route")
    assert (status_of(odd), json.loads(body_of(odd))["reason"]) == (400, "ambiguous_path")


@pytest.mark.parametrize("target", ["/a?", "/a", "/a?b", "/?", "http://h/a?", "http://H/"])
async def test_a_target_goes_on_with_its_question_mark(tmp_path: Path, target: str) -> None:
    seen: list[bytes] = []
    async with backend(answering(ok(b""), seen)) as legacy:
        async with running(one(legacy.url), tmp_path) as facade:
            await facade.ask(
                f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode()
            )
    asked = (
        target.partition("://")[2].lower().removeprefix("h") or "/" if "://" in target else target
    )
    assert seen[0].split(b" ")[1] == asked.encode()


@pytest.mark.parametrize("target", ["http://other/a", "/a#b", "/a?b#c", "http://h/a#b"])
async def test_an_odd_target_is_refused(tmp_path: Path, target: str) -> None:
    async with running(one("http://127.0.0.1:1"), tmp_path) as facade:
        raw = f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode()
        got = await facade.ask(raw)
    assert status_of(got) == 400
    assert b"application/problem+json" in got


async def test_trailers_are_no_headers_whichever_packet_they_come_in(tmp_path: Path) -> None:
    seen: list[bytes] = []
    async with backend(answering(ok(b""), seen)) as legacy:
        async with running(one(legacy.url), tmp_path) as facade:
            got = await facade.ask(
                b"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n0\r\nauthorization: evil\r\nhost: evil\r\n\r\n"
            )
    assert status_of(got) == 200
    assert b"evil" not in seen[0]


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked"])
async def test_another_transfer_coding_is_not_taken_for_chunked(
    tmp_path: Path, coding: str
) -> None:
    async with running(one("http://127.0.0.1:1"), tmp_path) as facade:
        got = await facade.ask(
            f"POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: {coding}\r\n\r\n"
            "0\r\n\r\n".encode()
        )
    assert status_of(got) in (400, 501)


async def test_what_is_not_http_gets_a_problem(tmp_path: Path) -> None:
    async with running(one("http://127.0.0.1:1"), tmp_path) as facade:
        got = await facade.ask(b"\x16\x03\x01\x02\x00\x01")
    assert status_of(got) == 400
    assert b"content-type: application/problem+json" in got
    assert json.loads(body_of(got))["reason"] == "bad_request"


async def test_an_answer_is_mapped_back_through_the_rewrite(tmp_path: Path) -> None:
    said = (b"location: /list/2", b"set-cookie: a=1; Path=/list", b'link: </list/3>; rel="next"')
    async with backend(answering(ok(b"", *said))) as new:
        table = TWO.format(killed="false", legacy="http://127.0.0.1:1", new=new.url)
        async with running(table, tmp_path, draw=lambda: 0) as facade:
            got = await facade.get("/t/list/1")
    assert b"location: /t/list/2\r\n" in got
    assert b"set-cookie: a=1; Path=/t/list\r\n" in got
    assert b'link: </t/list/3>; rel="next"' in got


async def test_a_bad_host_is_refused(tmp_path: Path) -> None:
    async with running(one("http://127.0.0.1:1"), tmp_path) as facade:
        missing = await facade.ask(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        twice = await facade.ask(
            b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n"
        )
        odd = await facade.ask(b"GET / HTTP/1.1\r\nhost: a/x?\r\nconnection: close\r\n\r\n")
    assert [status_of(each) for each in (missing, twice, odd)] == [400, 400, 400]


async def test_only_listed_clients_are_told_the_decision(tmp_path: Path) -> None:
    hidden = "defaults: {explain: {expose_to: [192.0.2.0/24]}}\n"
    async with backend(answering(ok(b""))) as legacy:
        async with running(one(legacy.url, hidden), tmp_path) as facade:
            assert b"x-facade-decision" not in await facade.get("/")


async def test_each_request_leaves_one_line(tmp_path: Path) -> None:
    async with backend(answering(ok(b"hello"))) as legacy:
        async with running(one(legacy.url), tmp_path, draw=lambda: 1234) as facade:
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
    async with running(one("http://127.0.0.1:1"), tmp_path, transports={"legacy": mock}) as facade:
        got = await facade.get("/a%2Fb?c", method="POST", body=b"x")
    assert (status_of(got), body_of(got)) == (201, b"/a%2Fb?c")
    assert b"x-from: mock" in got
