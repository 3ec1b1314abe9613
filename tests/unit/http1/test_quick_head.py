"""The quick reader: it reads a usual request as the strict reader does, and passes all others on."""

import pytest

from proxy.errors import RequestError
from proxy.http1.known_lines import KnownLines
from proxy.http1.quick_head import MAX_HEAD_BYTES, MAX_LINES, QuickHead, read_quick
from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import RequestParser
from proxy.model import HeaderPairs
from tests.hostile.cases import Case
from tests.hostile.corpus import REQUESTS


class Strict:
    """Reads bytes with the strict reader. `requests` are the heads of those that came whole, with their bodies."""

    def __init__(self) -> None:
        self.requests: list[tuple[RequestHead, bytes | None]] = []

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self.requests.append((head, body))

    def request_data(self, data: bytes) -> None: ...

    def request_ended(self, trailers: HeaderPairs) -> None: ...


def read(data: bytes) -> QuickHead | None:
    """What the quick reader says, which is what the strict reader says."""
    quick = read_quick(data, KnownLines())
    strict = Strict()
    parser = RequestParser(strict, 1 << 20, 1 << 20)
    try:
        parser.feed(data)
    except RequestError:
        assert quick is None, "refused by the strict reader"
    if quick is not None:
        assert not parser.held
        ((head, body),) = strict.requests
        assert body == quick.body
        assert fields_of(head) == fields_of(quick.strict())
    return quick


def fields_of(head: RequestHead) -> tuple[object, ...]:
    fields = head.fields
    plain = (
        *(fields.pairs, fields.body, fields.close, fields.keep_alive),
        *(fields.expects_100, fields.upgrades),
    )
    return (head.method, head.target, head.minor, head.keep_alive, *plain)


HOST = b"Host: h\r\n"


@pytest.mark.parametrize(
    ("data", "method", "path", "query", "body"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", "GET", b"/", b"", b""),
        (b"HEAD /a/b.c/?q=/%2f HTTP/1.0\r\n" + HOST + b"\r\n", "HEAD", b"/a/b.c/", b"?q=/%2f", b""),
        (b"GET /a? HTTP/1.1\r\n" + HOST + b"\r\n", "GET", b"/a", b"?", b""),
        (
            b"DELETE /a HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n",
            "DELETE",
            b"/a",
            b"",
            b"",
        ),
        (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", "POST", b"/a", b"", b""),
        (b"PUT /a HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi", "PUT", b"/a", b"", b"hi"),
        (
            b"PATCH /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n\r\n\r\n.",
            *("PATCH", b"/a", b"", b"\r\n\r\n."),
        ),
    ],
)
def test_a_usual_request_is_read(
    data: bytes, method: str, path: bytes, query: bytes, body: bytes
) -> None:
    head = read(data)
    assert head is not None
    assert (head.method, head.path, head.query, head.body) == (method, path, query, body)
    assert (head.host, head.target) == (b"h", path + query)
    assert (head.headers, head.expects_100) == (head.strict().headers, False)


def test_the_cookies_of_several_lines_are_one_value() -> None:
    head = read(b"GET / HTTP/1.1\r\nCookie: a=1; b=2 \r\n" + HOST + b"cookie:c=3\r\n\r\n")
    assert head is not None
    assert head.cookie == b"a=1; b=2; c=3"
    alone = read(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert alone is not None
    assert alone.cookie == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n" * 2 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nh",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhih",
        b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\n\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * MAX_LINES + b"\r\n",
        *(
            b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST)
            for target in (b"*", b"//", b"/a//b", b"/./a", b"/..", b"/%61", b"/a;b", b"/a#b", b"h/")
        ),
        *(
            b"%b /a HTTP/%b\r\n%b\r\n" % (method, version, HOST)
            for method, version in ((b"OPTIONS", b"1.1"), (b"get", b"1.1"), (b"GET", b"1.2"))
        ),
    ],
)
def test_another_request_is_passed_on(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_both_readers_agree_about_hostile_requests(case: Case) -> None:
    pieces = [piece for piece in case.pieces if piece]
    for data in (*pieces, b"".join(pieces)):
        read(data)
