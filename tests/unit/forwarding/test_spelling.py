"""Names of fields go on in their spelling, wherever fields can stand in a message (ADR 22)."""

import asyncio

import pytest

from tests.support.facade_in_process import OK, InProcess, Seen

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1"}
routes: [{name: all, backend_refs: legacy}]
"""
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def sent(*pieces: bytes, response: bytes = OK, quick: bool = True) -> Seen:
    async def send() -> Seen:
        facade = InProcess(TABLE, quick=quick)
        try:
            return await facade.send(*pieces, response=response)
        finally:
            facade.close()

    return asyncio.run(send())


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    "line", [b"X-A: 1", b"x-a: 1", b"X-a: 1", b"HOST-X: 1", b"User-AGENT: 1", b"user-agent: 1"]
)
def test_a_line_goes_on_as_it_was_sent(line: bytes, quick: bool) -> None:
    """The first time it is read, and each time after that."""
    raw = b"GET /a HTTP/1.1\r\nhost: h\r\n%b\r\n\r\n" % line
    seen = sent(raw, raw, response=OK.replace(b"Server: x", line), quick=quick)
    assert len(seen.requests) == 2
    for _, request in seen.requests:
        assert request.startswith(b"GET /a HTTP/1.1\r\nHost: h\r\n%b\r\n" % line)
    assert seen.client.count(b"HTTP/1.1 200 OK\r\n%b\r\n" % line) == 2


def test_white_space_around_a_value_does_not_go_on() -> None:
    raw = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A:\t 1 \r\nX-B:2\r\n\r\n"
    for _, request in sent(raw, raw).requests:
        assert b"\r\nX-A: 1\r\nX-B: 2\r\n" in request


def test_trailers_of_a_request_go_on_in_their_spelling() -> None:
    raw = b"POST /a HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    end = b"0\r\nX-SUM: 1\r\nx-Other: 2\r\n\r\n"
    seen = sent(raw + end)
    assert seen.requests[0][1].endswith(end)


def test_interim_responses_and_trailers_go_on_in_their_spelling() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLINK: </a>\r\nx-B: 1\r\n\r\n"
    end = b"0\r\nX-SUM: 1\r\nx-Other: 2\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nTransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    seen = sent(GET, response=interim + final + end)
    assert seen.client.startswith(interim)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in seen.client
    assert seen.client.endswith(end)


def test_a_switched_connection_goes_on_in_its_spelling() -> None:
    asked = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WEBSOCKET-Key: k\r\n\r\n"
    switched = b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nSec-WebSocket-ACCEPT: a\r\n\r\n"
    seen = sent(asked, response=switched)
    assert b"\r\nSec-WEBSOCKET-Key: k\r\n" in seen.requests[0][1]
    assert b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" in seen.requests[0][1]
    assert b"\r\nSec-WebSocket-ACCEPT: a\r\n" in seen.client
    assert b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" in seen.client


@pytest.mark.parametrize("name", [b"TE", b"keep-ALIVE", b"Proxy-CONNECTION", b"X-Named"])
def test_a_field_of_the_connection_is_dropped_in_any_spelling(name: bytes) -> None:
    raw = b"GET /a HTTP/1.1\r\nHost: h\r\nCONNECTION: x-NAMED\r\n%b: 1\r\nX-Stays: 1\r\n\r\n" % name
    ((_, request),) = sent(raw).requests
    assert b"\r\nX-Stays: 1\r\n" in request
    assert name.lower() + b":" not in request.lower()
