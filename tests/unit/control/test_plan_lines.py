"""Lines of an access log, as `plan` reads them."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.replay.plan import (
    destination_of,
)
from proxy.control.replay.recorded_requests import (
    LoggedRequest,
    Unreadable,
    bucket_of,
    facts_of_recorded,
    read_line,
)
from proxy.model import (
    Facts,
)
from proxy.model.match import Match, StringMatch
from proxy.routing.logged_names import names_that_rules_read
from proxy.telemetry.log_line import log_line
from proxy.telemetry.request_record import Record
from tests.make import decided, facts, prefix, refs, route, table
from tests.unit.control.plans import NEW, OLD, line, planned, side


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "object"),
        (b'{"method": "GET"}', "it has no host and no target"),
        (b'{"method": 1, "host": "h", "target": "/"}', "str"),
        (b'{"method": "GET", "host": "h", "target": "x"}', "slash"),
        (b'{"method": "GET", "host": "h", "target": "/", "bucket": 100}', "bucket"),
        (b'{"method": "GET", "host": "\xe2\x82\xac", "target": "/"}', "no request can hold"),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_an_unusable_line_is_counted_and_listed(text: bytes, why: str) -> None:
    plan = planned(OLD, NEW, line(), text, line())
    assert (plan.requests, plan.bad_lines) == (2, 1)
    ((number, reason),) = plan.first_bad
    assert number == 2
    assert why in reason


def test_only_the_first_unusable_lines_are_listed() -> None:
    plan = planned(OLD, NEW, *[b"{"] * 50)
    plan.feed_cut()
    assert (plan.bad_lines, len(plan.first_bad), plan.lines) == (51, 5, 51)


def test_a_request_that_was_refused_before_parsing_is_not_replayed_but_reported() -> None:
    plan = planned(OLD, NEW, b'{"reason": "bad_request", "status": 400}', b"\n")
    assert (plan.requests, plan.bad_lines, plan.refused_unread) == (0, 0, 1)
    assert any("not replayed" in caution for caution in plan.cautions())


def test_requests_without_a_bucket_get_evenly_spread_ones() -> None:
    plan = planned(OLD, NEW, *(line(bucket=None) for _ in range(1000)))
    assert 140 <= plan.moved <= 160
    assert any("without a bucket: 1,000" in caution for caution in plan.cautions())


@pytest.mark.parametrize("draw_bp", [0, 1, 499, 1234, 9_999])
def test_a_logged_bucket_is_read_as_the_same_draw(draw_bp: int) -> None:
    logged = log_line(Record("v", draw_bp, facts()), names_that_rules_read(OLD), 0.0)
    assert bucket_of(read_line(msgspec.json.encode(logged)) or LoggedRequest(), 1) == draw_bp


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
    logged = read_line(msgspec.json.encode(log_line(record, names_that_rules_read(tested), 0.0)))
    assert logged is not None
    assert destination_of(side(tested), facts_of_recorded(logged), 7).route == "picky"


def test_a_logged_host_header_is_not_repeated() -> None:
    logged = LoggedRequest("GET", "h", "/", headers={"host": ["h"]})
    assert facts_of_recorded(logged).headers == [(b"host", b"h")]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_every_line_is_read_or_refused(text: bytes) -> None:
    try:
        logged = read_line(text)
    except Unreadable:
        return
    if logged is not None:
        assert isinstance(facts_of_recorded(logged), Facts)
