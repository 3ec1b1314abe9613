"""The rules for the head and the trailers of a response, without a parser around them."""

import pytest

from proxy.http1.response_head import (
    MAX_HEADERS,
    MAX_TRAILER_BYTES,
    MalformedResponse,
    ResponseFields,
    ResponseHead,
    allowed_trailers,
    check_switch,
    parse_fields,
)
from proxy.model import HeaderPairs


@pytest.mark.parametrize(
    ("is_http10", "may_switch", "allowed"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_only_a_requested_upgrade_over_http_1_1_may_switch_protocols(
    is_http10: bool, may_switch: bool, allowed: bool
) -> None:
    head = ResponseHead(101, is_http10, ResponseFields([]))
    if allowed:
        check_switch(head, may_switch)
        return
    with pytest.raises(MalformedResponse, match="unasked"):
        check_switch(head, may_switch)


def test_remembered_field_lines_are_bounded_in_number_and_size() -> None:
    known: dict[bytes, tuple[bytes, bytes]] = {}
    lines = [b"HTTP/1.1 200 OK", *(b"x-%d: v" % number for number in range(200))]
    fields = parse_fields(lines, known)
    assert fields.pairs == [(b"x-%d" % number, b"v") for number in range(200)]
    assert 0 < len(known) <= 64
    assert known[lines[-1]] == (b"x-199", b"v")


@pytest.mark.parametrize("line", [b"set-cookie: a=b", b"Set-Cookie: a=b", b"x: " + b"v" * 126])
def test_cookies_and_long_lines_are_not_remembered(line: bytes) -> None:
    known: dict[bytes, tuple[bytes, bytes]] = {}
    parse_fields([b"HTTP/1.1 200 OK", line, b"a: b"], known)
    assert known == {b"a: b": (b"a", b"b")}


@pytest.mark.parametrize(
    ("trailers", "fits"),
    [
        pytest.param([(b"a", b"")] * MAX_HEADERS, True, id="as many as allowed"),
        pytest.param([(b"a", b"")] * (MAX_HEADERS + 1), False, id="one more"),
        pytest.param([(b"a", b"x" * (MAX_TRAILER_BYTES - 1))], True, id="as large as allowed"),
        pytest.param([(b"a", b"x" * MAX_TRAILER_BYTES)], False, id="one byte larger"),
    ],
)
def test_trailers_are_bounded(trailers: HeaderPairs, fits: bool) -> None:
    if fits:
        assert allowed_trailers(trailers) == trailers
        return
    with pytest.raises(MalformedResponse, match="trailers are too large"):
        allowed_trailers(trailers)
