"""The parts of a prepared request head, which live traffic sends around the target."""

import pytest

from proxy.errors import BadRequest
from proxy.http1.request_writer import (
    HeadParts,
    check_target,
    field_lines,
    prepared_head,
    request_head,
)
from proxy.model import Body, HeaderPairs, Outgoing, Timeouts


@pytest.mark.parametrize(
    ("parts", "around"),
    [
        pytest.param(
            HeadParts("GET", None, b"", Body("none")),
            (b"GET ", b" HTTP/1.1\r\nHost: h:1\r\n", b"\r\n"),
            id="the endpoint's own authority",
        ),
        pytest.param(
            HeadParts("GET", b"example.org", b"a: 1\r\n", Body("none")),
            (b"GET ", b" HTTP/1.1\r\nHost: example.org\r\na: 1\r\n", b"\r\n"),
            id="a host and a field",
        ),
        pytest.param(
            HeadParts("PUT", None, b"", Body("length", 0)),
            (b"PUT ", b" HTTP/1.1\r\nHost: h:1\r\n", b"Content-Length: 0\r\n\r\n"),
            id="an empty body",
        ),
        pytest.param(
            HeadParts("POST", None, b"", Body("length", 12)),
            (b"POST ", b" HTTP/1.1\r\nHost: h:1\r\n", b"Content-Length: 12\r\n\r\n"),
            id="a body with a length",
        ),
        pytest.param(
            HeadParts("POST", None, b"", Body("chunked")),
            (b"POST ", b" HTTP/1.1\r\nHost: h:1\r\n", b"Transfer-Encoding: chunked\r\n\r\n"),
            id="a chunked body",
        ),
        pytest.param(
            HeadParts("GET", None, b"", Body("none"), b"websocket"),
            (
                b"GET ",
                b" HTTP/1.1\r\nHost: h:1\r\n",
                b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            ),
            id="an upgrade",
        ),
    ],
)
def test_a_prepared_head_has_three_parts(
    parts: HeadParts, around: tuple[bytes, bytes, bytes]
) -> None:
    assert parts.around(b"h:1") == around


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        pytest.param([], b"", id="no field"),
        pytest.param(
            [(b"host", b"h"), (b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
            b"",
            id="Host and framing alone",
        ),
        pytest.param(
            [(b"a", b"1"), (b"host", b"h"), (b"b", b""), (b"a", b"2")],
            b"a: 1\r\nb: \r\na: 2\r\n",
            id="repeated fields in their order, without Host",
        ),
    ],
)
def test_fields_are_lines_without_host_and_framing(headers: HeaderPairs, lines: bytes) -> None:
    assert field_lines(headers) == lines


@pytest.mark.parametrize(
    "pair",
    [(b"a", b"b\r\nc: d"), (b"a", b"b\nc"), (b"a", b"b\rc"), (b"a", b"b\0"), (b"a\n", b"b")],
)
def test_a_field_with_a_line_break_or_nul_is_refused(pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest, match="line break or NUL"):
        field_lines([(b"x", b"y"), pair])


@pytest.mark.parametrize("target", [b"", b"/a b", b"/a\tb", b"/\r\n", b"/\0", b"/\x7f"])
def test_a_target_that_would_break_the_request_line_is_refused(target: bytes) -> None:
    with pytest.raises(BadRequest, match="target"):
        check_target(target)


def test_other_targets_are_accepted() -> None:
    for target in (b"/", b"/%20?a=%00", b"*", b"/\xff"):
        check_target(target)


def test_a_prepared_request_writes_the_head_for_the_endpoint_that_it_is_sent_to() -> None:
    request = Outgoing("PUT", b"/x", None, [(b"a", b"1")], Body("length", 3), Timeouts(2.0))
    prepared = prepared_head(request)
    assert (prepared.method, prepared.body, prepared.timeouts) == (
        "PUT",
        Body("length", 3),
        Timeouts(2.0),
    )
    for authority in (b"a:1", b"b:2"):
        assert prepared.head(authority) == request_head(request, authority)
