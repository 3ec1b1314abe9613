"""The head of a request to a backend: own framing and Host, and no line breaks inside a line."""

import pytest

from proxy.errors import BadRequest
from proxy.http1.chunked import chunk
from proxy.http1.framing import NO_BODY
from proxy.http1.request_writer import has_body, request_head
from proxy.model import Body, HeaderPairs, Outgoing, Timeouts


def _outgoing(
    method: str = "GET",
    target: bytes = b"/",
    host: bytes | None = None,
    headers: HeaderPairs | None = None,
    body: Body = NO_BODY,
) -> Outgoing:
    return Outgoing(method, target, host, headers or [], body, Timeouts())


@pytest.mark.parametrize(
    ("request_", "head"),
    [
        pytest.param(
            _outgoing(), b"GET / HTTP/1.1\r\nHost: h:1\r\n\r\n", id="the endpoint's own host"
        ),
        pytest.param(
            _outgoing(host=b"example.org"),
            b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
            id="a host that is passed on",
        ),
        pytest.param(
            _outgoing("POST", b"/x/../%7Ey?a=%00", body=Body("length", 3)),
            b"POST /x/../%7Ey?a=%00 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\n",
            id="a raw target and a length",
        ),
        pytest.param(
            _outgoing("POST", body=Body("length")),
            b"POST / HTTP/1.1\r\nHost: h:1\r\nContent-Length: 0\r\n\r\n",
            id="a body announced as empty",
        ),
        pytest.param(
            _outgoing("PUT", body=Body("chunked")),
            b"PUT / HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding: chunked\r\n\r\n",
            id="a body of unknown length",
        ),
        pytest.param(
            _outgoing(headers=[(b"b", b"2"), (b"a", b""), (b"b", b"1")]),
            b"GET / HTTP/1.1\r\nHost: h:1\r\nb: 2\r\na: \r\nb: 1\r\n\r\n",
            id="repeats and order are kept",
        ),
        pytest.param(
            _outgoing(
                headers=[
                    (b"host", b"evil"),
                    (b"content-length", b"7"),
                    (b"transfer-encoding", b"chunked"),
                    (b"x", b"y"),
                ]
            ),
            b"GET / HTTP/1.1\r\nHost: h:1\r\nx: y\r\n\r\n",
            id="framing and Host are never copied",
        ),
    ],
)
def test_a_head_is_written_as(request_: Outgoing, head: bytes) -> None:
    assert request_head(request_, b"h:1") == head


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(_outgoing(headers=[(b"a", b"b\r\nc: d")]), id="a line break in a value"),
        pytest.param(_outgoing(headers=[(b"a", b"b\nc: d")]), id="a bare LF in a value"),
        pytest.param(_outgoing(headers=[(b"a", b"b\rc: d")]), id="a bare CR in a value"),
        pytest.param(_outgoing(headers=[(b"a", b"b\0")]), id="NUL in a value"),
        pytest.param(_outgoing(headers=[(b"a\r\nb", b"c")]), id="a line break in a name"),
        pytest.param(_outgoing(host=b"h\r\nx: y"), id="a line break in the host"),
        pytest.param(_outgoing(target=b"/ HTTP/1.1\r\nx: y"), id="a line break in the target"),
        pytest.param(_outgoing(target=b"/a b"), id="a space in the target"),
        pytest.param(_outgoing(target=b""), id="no target"),
        pytest.param(_outgoing(method="GE T"), id="a space in the method"),
        pytest.param(_outgoing(method=""), id="no method"),
    ],
)
def test_a_line_break_or_space_that_would_change_the_head_is_refused(request_: Outgoing) -> None:
    with pytest.raises(BadRequest):
        request_head(request_, b"h:1")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (Body("none"), False),
        (Body("length", 0), False),
        (Body("length", 1), True),
        (Body("chunked"), True),
    ],
)
def test_whether_a_body_is_sent(body: Body, expected: bool) -> None:
    assert has_body(body) is expected


def test_a_chunk_has_its_size_in_hexadecimal() -> None:
    assert chunk(b"x" * 27) == b"1b\r\n" + b"x" * 27 + b"\r\n"
