"""Names of fields arrive as they were sent. They are case-insensitive, and old peers compare them byte by byte."""

from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import origin

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINES = [
    b"ACCEPT: text/html",
    b"X-Jenkins-CLI2-Port: 1",
    b"x-jenkins-cli2-port: 2",
    b"sOAPaction: urn:x",
    b"Cookie: a=1",
    b"WWW-Thing: y",
]
START = {
    "a GET": (b"GET /a HTTP/1.1", []),
    "a path of two variants": (b"GET /a/%2e HTTP/1.1", []),
    "a GET of HTTP/1.0": (b"GET /a HTTP/1.0", []),
    "a body with a length": (b"POST /a HTTP/1.1", [b"content-LENGTH: 2"]),
    "a chunked body": (b"POST /a HTTP/1.1", [b"transfer-ENCODING: chunked"]),
}
BODIES = {b"content-LENGTH: 2": b"hi", b"transfer-ENCODING: chunked": b"2\r\nhi\r\n0\r\n\r\n"}
RESPONSE = [b"X-Powered-By: old", b"etag: x", b"X-JENKINS: 1", b"x-jenkins: 2", b"Set-COOKIE: a=1"]
OK = b"HTTP/1.1 200 OK\r\n%b\r\ncontent-length: 2\r\n\r\nok"


def message(line: bytes, lines: list[bytes], body: bytes = b"") -> bytes:
    return b"\r\n".join((line, *lines, b"", body))


@pytest.mark.parametrize("start", START.values(), ids=START)
async def test_a_request_arrives_in_the_spelling_of_its_client(
    start: tuple[bytes, list[bytes]], tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 5.1."""
    line, framing = start
    other = [each.swapcase() for each in LINES]
    async with origin() as server, facade(tier, table(server.url), tmp_path) as up:
        for number, lines in enumerate((LINES, other, LINES, LINES)):
            async with client(up) as wire:
                body = b"".join(BODIES[each] for each in framing)
                wire.send(message(line, [b"host: h", *lines, *framing], body))
                backend = await server.connection()
                head = (await backend.request()).head
                assert head.field_lines[: len(lines) + 1] == [b"Host: h", *lines], number
                backend.send(OK % b"a: 1")
                assert (await wire.response()).body == b"ok"


async def test_a_response_arrives_in_the_spelling_of_its_backend(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 5.1."""
    async with origin() as server, facade(tier, table(server.url), tmp_path) as up:
        other = [each.swapcase() for each in RESPONSE]
        async with client(up) as wire:
            for lines in (RESPONSE, other, RESPONSE, RESPONSE[:4], RESPONSE[:4]):
                wire.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
                backend = await server.connection()
                await backend.request()
                backend.send(OK % b"\r\n".join(lines))
                head = (await wire.response()).head
                assert head.field_lines[: len(lines)] == lines
                assert b"Content-Length: 2" in head.field_lines


async def test_fields_of_the_facade_have_their_usual_spelling(tier: Tier, tmp_path: Path) -> None:
    """RFC 9110 5.1."""
    async with origin() as server, facade(tier, table(server.url), tmp_path) as up:
        for path in (b"/a", b"/a/%2e"):
            async with client(up) as wire:
                wire.send(
                    b"GET %b HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 192.0.2.1\r\n\r\n" % path
                )
                backend = await server.connection()
                sent = (await backend.request()).head.field_lines
                assert [line.partition(b":")[0] for line in sent] == [
                    *(b"Host", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host"),
                    *(b"Forwarded", b"Via", b"X-Request-ID", b"traceparent"),
                ]
                backend.send(OK % b"a: 1")
                got = (await wire.response()).head.field_lines
                assert [line.partition(b":")[0] for line in got] == [
                    *(b"a", b"Content-Length", b"X-Request-ID", b"x-facade-decision"),
                ]


async def test_fields_of_the_table_have_the_spelling_of_the_table(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9110 5.1."""
    edits = (
        'request: {headers: {set: {SOAPAction: urn:y}, add: {X-More: "1"}, remove: [X-GONE]}}, '
        "response: {headers: {set: {Cache-Control: no-store}, remove: [SERVER]}}"
    )
    rest = "defaults: {explain: {response_header: X-Decision}}\n"
    async with origin() as server:
        routes = table(server.url, route=edits, rest=rest)
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            for _ in range(2):
                wire.send(
                    b"GET /a HTTP/1.1\r\nHost: h\r\nsoapaction: x\r\nx-gone: 1\r\nx-More: 0\r\n\r\n"
                )
                backend = await server.connection()
                sent = (await backend.request()).head.field_lines
                assert [
                    line for line in sent if line[:4].lower() in (b"soap", b"x-go", b"x-mo")
                ] == [
                    b"x-More: 0",
                    b"SOAPAction: urn:y",
                    b"X-More: 1",
                ]
                backend.send(OK % b"server: x\r\ncache-control: public\r\nx-decision: forged")
                got = (await wire.response()).head.field_lines
                assert [line.partition(b":")[0] for line in got] == [
                    *(b"Cache-Control", b"Content-Length", b"X-Request-ID", b"X-Decision"),
                ]
