"""Lines of an access log, as `plan` reads them."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.replay.log_reader import LogReader, Rejected
from proxy.control.replay.plan import Plan, destination_of
from proxy.control.replay.recorded_requests import (
    LoggedRequest,
    Unreadable,
    bucket_of,
    facts_of_recorded,
    read_json_line,
)
from proxy.model import (
    Facts,
    Known,
)
from proxy.model.match import Match, StringMatch
from proxy.routing.logged_names import names_that_rules_read
from proxy.telemetry.log_line import log_line
from proxy.telemetry.request_record import Record
from tests.make import decided, facts, prefix, refs, route, table
from tests.unit.control.plans import NEW, OLD, line, planned, read_all, side


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "object"),
        (b'{"method": "GET"}', "it has no host and no target"),
        (b'{"method": 1, "host": "h", "target": "/"}', "str"),
        (b'{"method": "GET", "host": "h", "target": "x"}', "slash"),
        (b'{"method": "GET", "host": "h", "target": "/", "bucket": 100}', "bucket"),
        (b"\xff\xfe", "malformed"),
        (b'{"x":' + b"[" * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_request_is_refused_with_the_reason(text: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_json_line(text)


def test_text_that_no_request_can_hold_is_not_replayed() -> None:
    plan = Plan(side(OLD), side(NEW), None)
    reader = LogReader(plan.count)
    read_all(reader, line(), '{"method": "GET", "host": "€", "target": "/"}'.encode(), line())
    assert (plan.requests, reader.rejected) == (2, 1)
    assert reader.first_rejected == [
        Rejected("access.log", 2, "it holds text that no request can hold")
    ]


@pytest.mark.parametrize(
    "text",
    [
        b'{"reason": "bad_request", "status": 400}',
        b'{"method": "OPTIONS", "host": "h", "target": "*", "reason": "options"}',
    ],
)
def test_a_request_without_a_path_is_not_replayed(text: bytes) -> None:
    assert read_json_line(text) is None


def test_requests_without_a_bucket_get_evenly_spread_ones() -> None:
    plan = planned(OLD, NEW, *(line(bucket=None) for _ in range(1000)))
    assert 140 <= plan.moved <= 160
    assert any("without a bucket: 1,000" in caution for caution in plan.cautions())


@pytest.mark.parametrize("draw_bp", [0, 1, 499, 1234, 9_999])
def test_a_logged_bucket_is_read_as_the_same_draw(draw_bp: int) -> None:
    logged = log_line(Record("v", draw_bp, facts()), names_that_rules_read(OLD), 0.0)
    assert bucket_of(read_json_line(msgspec.json.encode(logged)) or LoggedRequest(), 1) == draw_bp


def test_a_logged_request_matches_the_rules_that_it_was_logged_for() -> None:
    wanted = Match(
        hosts=("www.example",),
        path=prefix("/l"),
        headers=(StringMatch("v", "exact", "ü 1"),),
        query=(StringMatch("q", "exact", "a b&c"),),
        cookies=(StringMatch("beta", "prefix", "x"),),
    )
    tested = table(route("picky", match=wanted, to=refs(new=100)), route("rest"))
    request = facts(
        "/l/%C3%BC",
        headers={"v": "ü 1", "cookie": "a=1; beta=xy", "authorization": "s3cret"},
        query="z=1&q=a+b%26c",
    )
    record = Record("v", 7, request, decided(tested, tested.routes[0], request, 7))
    logged = read_json_line(
        msgspec.json.encode(log_line(record, names_that_rules_read(tested), 0.0))
    )
    assert logged is not None
    assert destination_of(side(tested), facts_of_recorded(logged), Known(7)).route == "picky"


def test_a_logged_host_header_is_not_repeated() -> None:
    logged = LoggedRequest("GET", "h", "/", headers={"host": ["h"]})
    assert facts_of_recorded(logged).headers == [(b"host", b"h")]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_every_line_is_read_or_refused(text: bytes) -> None:
    try:
        logged = read_json_line(text)
    except Unreadable:
        return
    if logged is not None:
        assert isinstance(facts_of_recorded(logged), Facts)
