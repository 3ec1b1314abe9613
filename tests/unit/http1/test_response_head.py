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
