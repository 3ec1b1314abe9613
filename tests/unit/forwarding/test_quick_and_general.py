"""The quick way and the general way send the same bytes to backend and client, and log the same line (ADR 21)."""

from itertools import product

import pytest

from tests.support.facade_in_process import OK
from tests.unit.forwarding.both_ways import FIELDS, GET, LINES, MORE, OTHER, PATHS, TRUSTED, Pair
from tests.unit.forwarding.every_rule import UNSEEN_TABLE


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_both_ways_send_and_log_the_same(pair: Pair, more: bytes) -> None:
    """Each path and each line meets both draws, over the fields that are added; each time a third is left out."""
    for number, (path, line) in enumerate(product(PATHS, LINES), len(more)):
        if number * 5 % 13 % 3 == 0:
            continue
        raw = b"%b\r\n%b%b\r\n\r\n" % (line % path, FIELDS, more)
        assert len(pair.send(raw, draw_bp=(0, 9_999)[number % 2]).lines) <= 1


@pytest.mark.parametrize("peer", [TRUSTED, OTHER])
def test_both_ways_leave_via_as_it_came(peer: str) -> None:
    pair = Pair(UNSEEN_TABLE, peer)
    for more in MORE.values():
        for path in (b"/", b"/prefixed/1"):
            seen = pair.send(b"GET %b HTTP/1.1\r\n%b%b\r\n\r\n" % (path, FIELDS, more))
            assert b"1.1 facade" not in repr(seen).encode()
    pair.close()


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"GET", b"DELETE"])
@pytest.mark.parametrize("body", [b"", b"x", b"x" * 5000, b"GET / HTTP/1.1\r\n\r\n"])
def test_both_ways_send_the_same_bodies(pair: Pair, method: bytes, body: bytes) -> None:
    for path in PATHS:
        head = b"%b %b HTTP/1.1\r\n%b\r\nContent-Length: %d\r\n\r\n"
        pair.send(head % (method, path, FIELDS, len(body)) + body)
        pair.send(head % (method, path, FIELDS, len(body)), body)
        pair.send(head % (method, path, FIELDS, len(body) + 1) + body)
        pair.send(head % (method, path, FIELDS, len(body)) + body + b"GET / HTTP/1.1\r\n\r\n")


RESPONSES = (
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /o/t/9?q\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/inner\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nRefresh: 0; url=/inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://www.example:8080/inner/7\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: b=1\r\nSet-Cookie: uid=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Request-ID: r\r\nX-Facade-Decision: f\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nX-By: theirs\r\nServer: x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 431 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 302 Found\r\nLocation: /prefixed/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
    b"nonsense\r\n\r\n",
)


@pytest.mark.parametrize("response", RESPONSES)
def test_both_ways_pass_the_same_responses_on(pair: Pair, response: bytes) -> None:
    for path in (
        *(b"/plain/1", b"/edited/1", b"/picky/1", b"/prefixed/1", b"/hidden", b"/renamed/1"),
        *(b"/shared/1", b"/values/1", b"/tail/t/orders/7", b"/reversed/1"),
    ):
        pair.send(GET % path, response=response)
        pair.send((GET % path).replace(b"HTTP/1.1", b"HTTP/1.0"), response=response)
        pair.send((GET % path).replace(b"GET", b"HEAD"), response=response)


def test_both_ways_serve_one_connection_in_turn(pair: Pair) -> None:
    pieces = (GET % b"/plain/1", GET % b"/plain/1", (GET % b"/a") * 3, GET % b"/read?q=1", b"GET")
    assert len(pair.send(*pieces).lines) == 6
    assert len(pair.send(GET % b"/%61", *pieces).lines) == 7
    assert len(pair.send(GET % b"/a" + b"GET /b", b" HTTP/1.1\r\nHost: h\r\n\r\n").lines) == 2
