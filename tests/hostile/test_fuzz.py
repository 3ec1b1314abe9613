"""What our readers accept, strict parsers of others read in the same way; and no cut changes what is read.

A short run here; `make soak` goes on for FACADE_FUZZ_S seconds (an hour).
"""

import os
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.hostile.oracles import (
    ParsedRequest,
    ParsedResponse,
    Reading,
    h11s_request,
    h11s_response,
    httptools_requests,
    our_response,
    ours,
)
from tests.hostile.strategies import cuts, mutated, odd, requests, responses

_SHORT = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
_HOUR_S = 3600.0
# Space around the semicolon and the sign of equality of a chunk's extension: RFC 9112 7.1.1 has it, they have not.
_THEY_REFUSE = re.compile(rb"[ \t][;=]|[;=][ \t]")
_KNOWN_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK "
    b"BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH "
    b"PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".split()
)

Request = st.one_of(mutated(requests()), mutated(requests()), requests(), odd)
Response = st.one_of(mutated(responses()), mutated(responses()), responses(), odd)


def check_request(data: bytes, pieces: list[bytes]) -> None:
    """All that has to hold for some bytes of a client."""
    whole, cut = ours([data]), ours(pieces)
    # A refusal may come sooner or later, as the bytes come; what was complete before it is the same.
    assert whole.complete == cut.complete
    if not whole.requests:
        return
    first = whole.requests[0]
    hosts = [value for name, value in first.headers if name == b"host"]
    ascii_only = all(byte < 0x80 for byte in first.target)
    if not ascii_only or _THEY_REFUSE.search(data) is not None:
        return
    # Host, and bytes beyond ASCII in a target, are judged behind our reader; h11 does that by itself.
    if len(hosts) == 1:
        _same(first, h11s_request(data), whole.refused)
    if first.method in _KNOWN_METHODS and first.target.startswith(b"/"):
        _same(first, httptools_requests(data), whole.refused)


def _same(mine: ParsedRequest, other: Reading, refused: bool) -> None:
    assert other.requests, "ours took for a request what the other refused"
    theirs = other.requests[0]
    assert (theirs.method, theirs.target) == (mine.method, mine.target)
    assert _plain(theirs) == _plain(mine)
    if mine.complete:
        assert theirs.complete, "ours found an end where the other found none"
        assert theirs.body == mine.body
    else:
        # Not complete: refused half-way, or more is to come. No byte of it is read in another way.
        assert refused or not theirs.complete or theirs.body == mine.body
        assert theirs.body.startswith(mine.body) or mine.body.startswith(theirs.body)


def _plain(asked: ParsedRequest) -> list[tuple[bytes, bytes]]:
    """h11 normalises the case of a coding, and so do we where we look at it."""
    return [
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in asked.headers
    ]


def check_response(data: bytes, pieces: list[bytes], is_head: bool) -> None:
    """All that has to hold for some bytes of an upstream."""
    whole, cut = our_response([data], is_head), our_response(pieces, is_head)
    assert whole.complete == cut.complete
    if whole.complete:
        assert whole == cut
        if _THEY_REFUSE.search(data) is None:
            _same_response(whole, h11s_response(data, is_head))


def _same_response(mine: ParsedResponse, theirs: ParsedResponse) -> None:
    assert not theirs.refused, "ours took for a response what the other refused"
    assert theirs.status == mine.status
    assert [name for name, _ in theirs.headers] == [name for name, _ in mine.headers]
    assert theirs.complete
    assert theirs.body == mine.body


@_SHORT
@given(st.data(), Request)
def test_requests(data: st.DataObject, sent: bytes) -> None:
    note(repr(sent))
    check_request(sent, data.draw(cuts(sent)))


@_SHORT
@given(st.data(), requests())
def test_a_well_formed_request_is_never_refused(data: st.DataObject, sent: bytes) -> None:
    whole = ours(data.draw(cuts(sent)))
    assert not whole.refused
    assert whole.requests
    assert len(whole.complete) == len(whole.requests)


@_SHORT
@given(st.data(), Response, st.booleans())
def test_responses(data: st.DataObject, sent: bytes, is_head: bool) -> None:
    note(repr(sent))
    check_response(sent, data.draw(cuts(sent)), is_head)


@_SHORT
@given(responses())
def test_a_well_formed_response_is_never_refused(sent: bytes) -> None:
    assert not our_response([sent], is_head=False).refused


@pytest.mark.soak
@pytest.mark.parametrize("check", [test_requests, test_responses])
def test_for_long(check: Callable[[], None]) -> None:
    until = time.monotonic() + float(os.environ.get("FACADE_FUZZ_S", _HOUR_S)) / 2
    while time.monotonic() < until:
        check()
