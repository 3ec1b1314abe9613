"""Whole responses compared: status, header fields, bodies of all kinds, and slices."""

import hashlib
import json
from typing import Any

import pytest

from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import EQUAL, Outcome
from proxy.model import CompareRules, HeaderPairs
from tests.unit.comparison.responses import JSON, RULES, examples, outcome, places, response

TEXT = CompareRules(body="text")
BYTES = CompareRules(body="bytes")
HTML: HeaderPairs = [(b"content-type", b"text/html; charset=utf-8")]


def test_the_same_response_is_equal() -> None:
    assert outcome(response([1]), response([1])) is EQUAL
    assert outcome(response(b"", status=204), response(b"", status=204)) is EQUAL


@pytest.mark.parametrize(
    ("rules", "left", "right", "expected"),
    [
        (RULES, 200, 201, [("status", "status")]),
        (CompareRules(status="class"), 200, 204, []),
        (CompareRules(status="class"), 200, 302, [("status", "status")]),
    ],
)
def test_a_status_hides_what_follows_from_it(
    rules: CompareRules, left: int, right: int, expected: Any
) -> None:
    bodies = (b"", b"") if not expected else (b"[1]", b'{"error": true}')
    one, other = response(bodies[0], status=left), response(bodies[1], status=right)
    assert places(one, other, rules) == expected


@pytest.mark.parametrize(
    ("baseline", "reason"),
    [
        (Observation(failure="timeout"), "timeout"),
        (Observation(200, JSON, b"[1", failure="broke"), "broke"),
        (response([1], status=503), "status_503"),
        (Observation(200, JSON, b"[]", is_ok=False), "not_ok"),
        (response(b""), "empty"),
        (response(b"<p>"), "not_json"),
        (response(b'{"a":1,"a":2}'), "duplicate_key"),
        (response([1], [*JSON, (b"content-encoding", b"gzip")]), "undecodable"),
    ],
)
def test_a_baseline_that_is_no_good_is_no_evidence(baseline: Observation, reason: str) -> None:
    assert outcome(baseline, response([1])) == Outcome("baseline_invalid", reason)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (Observation(failure="timeout"), ("status", "missing")),
        (Observation(failure="unreachable"), ("status", "missing")),
        (Observation(200, JSON, b"[1", failure="broke"), ("body", "length")),
        (response(b""), ("body", "missing")),
        (response(b"[1,"), ("body", "length")),
        (response(b'["1'), ("body", "length")),
        (response(b"<p>"), ("body", "type")),
        (response(b"[1]]"), ("body", "type")),
        (response(b'{"a":1,"a":1}'), ("body", "type")),
        (response(b"[NaN]"), ("body", "type")),
        (response(b"[" * 200 + b"]" * 200), ("body", "type")),
        (response([1], [*JSON, (b"content-encoding", b"br")]), ("body", "encoding")),
        (response(b'["\xff"]'), ("body", "encoding")),
        (response([1], [(b"content-type", b"application/json; charset=no")]), ("body", "encoding")),
    ],
)
def test_a_candidate_that_is_no_good_is_one_difference(
    candidate: Observation, expected: tuple[str, str]
) -> None:
    rules = CompareRules(headers=("content-type",))
    assert places(response([1]), candidate, rules) == [expected]


LONG = b"x" * 10


def long(content: bytes, headers: HeaderPairs = JSON) -> Observation:
    """A response of which only the beginning was kept."""
    digest = hashlib.sha256(content).digest()
    return Observation(200, headers, content[:4], len(content), digest)


@pytest.mark.parametrize(
    ("rules", "left", "right", "expected"),
    [
        (RULES, long(LONG), long(LONG), EQUAL),
        (RULES, long(LONG), long(b"y" * 10), Outcome("not_compared", "too_large")),
        (RULES, long(LONG), response(b"[]"), ("length", "10 bytes", "2 bytes")),
        (RULES, response(b"[]"), long(LONG), ("length", "2 bytes", "10 bytes")),
        (RULES, response(b"[]"), long(LONG, [(b"content-encoding", b"br")]), Outcome("not_compared", "too_large")),
        (TEXT, long(LONG), long(b"y" * 10), ("value", "10 bytes", "10 bytes")),
        (BYTES, long(LONG), long(b"y" * 11), ("length", "10 bytes", "11 bytes")),
    ],
)  # fmt: skip
def test_long_bodies_are_compared_by_their_hash(
    rules: CompareRules, left: Observation, right: Observation, expected: Any
) -> None:
    result = outcome(left, right, rules)
    if isinstance(expected, Outcome):
        assert result == expected
    else:
        assert [(each.kind, each.left, each.right) for each in result.differences] == [expected]


@pytest.mark.parametrize(
    ("rules", "left", "right", "expected"),
    [
        pytest.param(RULES, b"<p>", b"<b>", ("body", "value"), id="two texts that are no JSON"),
        pytest.param(RULES, b"<p>", b"<p>", None, id="the same text that is no JSON"),
        pytest.param(RULES, b"\x89PNG\xff", b"\x89PNG\xfe", ("body", "value"), id="two images"),
        pytest.param(TEXT, b"one\ntwo", b"one\ntwo ", ("body", "value"), id="texts"),
        pytest.param(TEXT, b"one\ntwo", b"one", ("body", "length"), id="a cut text"),
        pytest.param(TEXT, b"one", b"", ("body", "missing"), id="no text"),
        pytest.param(TEXT, b"", b"one", ("body", "extra"), id="a text for none"),
        pytest.param(BYTES, b"one", b"on", ("body", "length"), id="cut bytes"),
        pytest.param(BYTES, b"one", b"two", ("body", "value"), id="bytes"),
        pytest.param(BYTES, b"\xff", b"\xff", None, id="the same bytes"),
    ],
)
def test_bodies_that_are_no_json(
    rules: CompareRules, left: bytes, right: bytes, expected: Any
) -> None:
    assert places(left, right, rules) == ([expected] if expected else [])


def test_the_example_of_two_texts_is_what_is_around_the_difference() -> None:
    left, right = b"a" * 100 + b"left" + b"b" * 100, b"a" * 100 + b"right" + b"b" * 100
    assert examples(left, right, TEXT) == [
        ("a" * 20 + "left" + "b" * 36, "a" * 20 + "right" + "b" * 35)
    ]


def test_a_body_in_another_charset_is_one_difference() -> None:
    name = "S\u00f8ren"
    left = response([{"id": 1, "name": name}])
    content = json.dumps([{"id": 1, "name": name}], ensure_ascii=False)
    rules = CompareRules(headers=("content-type",))
    latin = response(
        content.encode("latin-1"), [(b"content-type", b"application/json; charset=latin1")]
    )
    assert places(left, latin, rules) == [("body", "encoding")]
    text = [(b"content-type", b"text/plain; charset=latin1")]
    assert places(response(b"abc", HTML), response(b"abc", text), TEXT) == []
    utf_16 = response(
        content.encode("utf-16"), [(b"content-type", b'application/json; charset="UTF-16"')]
    )
    assert examples(left, utf_16) == [("utf-8", "utf-16")]
    marked = response(b"\xef\xbb\xbf" + content.encode())
    assert places(left, marked) == []  # fmt: skip


@pytest.mark.parametrize("rules", [RULES, TEXT, BYTES])
@pytest.mark.parametrize("body", [b"", b"<p>", b"\xff"])
def test_the_same_body_of_another_type_is_equal(rules: CompareRules, body: bytes) -> None:
    other: HeaderPairs = [(b"content-type", b"text/css")]
    assert outcome(response(body, HTML), response(body, other), rules) is EQUAL


def test_a_charset_that_is_not_known_or_no_charset_is_no_text() -> None:
    for name in (b"rot13", b"no-such", b"a\0b"):
        one = response("é", [(b"content-type", b"text/html; charset=" + name)])
        assert places(one, response("e"), TEXT) == [("body", "value")]


def test_a_body_that_is_too_deep_is_not_compared() -> None:
    deep = b"[" * 200 + b"]" * 200
    for other in (deep + b" ", b"[1]", b"[" * 300 + b"]" * 300, b"[1, 2]"):
        assert outcome(deep, other) == Outcome("not_compared", "too_deep")
    assert outcome(deep, deep) is EQUAL
    one, two = (b'{"a":' * 150 + number + b"}" * 150 for number in (b"1", b"2"))
    assert outcome(one, two) == outcome(b"[" * 9999, b"[]") == Outcome("not_compared", "too_deep")
    assert outcome(b"<p>", deep).reason == outcome(b"<p>", b"[" * 9999).reason == "not_json"


HEADERS = CompareRules(
    headers=("content-type", "vary", "accept-ch", "access-control-allow-origin", "set-cookie"),
)


def fields(name: str, *values: str) -> HeaderPairs:
    return [(name.encode(), value.encode()) for value in values]


@pytest.mark.parametrize(
    ("name", "left", "right", "kind"),
    [
        ("Vary", ["Origin, Accept"], ["accept", "origin"], None),
        ("vary", ["origin"], [], "header"),
        ("access-control-allow-origin", [], ["*"], "header"),
        ("accept-ch", ["a, b"], ["b, a"], "order"),
        ("accept-ch", ['"a,b"'], ['"a", "b"'], "header"),
        ("content-type", ["application/json;charset=UTF-8"], ["application/json"], None),
        ("content-type", ["text/html; charset=utf-8"], ["text/html"], "header"),
        ("content-type", ["Text/HTML; a=1;b; c=2"], ["text/html;c=2 ;a=1"], None),
        ("set-cookie", ["a=1; expires=Mon, 1"], ["a=2; expires=Mon, 1"], "header"),
        ("set-cookie", ["a=1", "b=2"], ["b=2", "a=1"], None),
    ],
)
def test_chosen_fields(name: str, left: list[str], right: list[str], kind: str | None) -> None:
    one, other = response(b"[]", fields(name, *left)), response(b"[]", fields(name, *right))
    assert places(one, other, HEADERS) == ([(f"header:{name}", kind)] if kind else [])


def test_fields_that_are_not_chosen_are_not_compared() -> None:
    assert places(response(b"[]", [(b"server", b"a")]), response(b"[]", [(b"server", b"b")])) == []


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, []),
        (b"gzip, br", []),
        (b"*", []),
        (b"gzip;q=0.5", []),
        (b"identity", ["header:content-encoding"]),
        (b"gzip; q=0.0, br", ["header:content-encoding"]),
        (b"", ["header:content-encoding"]),
    ],
)
def test_a_coding_that_the_request_does_not_accept(
    accept: bytes | None, expected: list[str]
) -> None:
    import gzip

    zipped = response(gzip.compress(b"[1]"), [*JSON, (b"content-encoding", b"gzip")])
    found = places(response([1]), zipped, accept_encoding=accept)
    assert found == [(path, "encoding") for path in expected]
    assert places(zipped, zipped, accept_encoding=accept) == []


@pytest.mark.parametrize(
    ("left_s", "right_s", "is_slow", "is_faster"),
    [
        (0.01, 0.5, True, False),
        (0.01, 0.1, False, False),
        (0.5, 0.9, False, False),
        (0.5, 0.01, False, True),
    ],
)
def test_a_response_is_slow_by_factor_and_margin(
    left_s: float, right_s: float, is_slow: bool, is_faster: bool
) -> None:
    one, other = (Observation(200, JSON, b"[]", duration_s=each) for each in (left_s, right_s))
    result = outcome(one, other)
    assert ([each.place for each in result.differences] == [("body", "slow")]) == is_slow
    assert result.is_faster == is_faster
    assert result.result == "equal"


def test_a_response_that_does_not_come_is_not_slow_as_well() -> None:
    late = Observation(duration_s=5.0, failure="timeout")
    assert places(response([1]), late) == [("status", "missing")]


def test_a_large_comparison_comes_in_slices() -> None:
    rows = [{"id": n, "text": "x" * 50} for n in range(5000)]
    comparison = Comparer(RULES).begin(response(rows), response(rows[1:]))
    slices = 0
    while (result := comparison.advance()) is None:
        slices += 1
    assert slices > 50
    assert [each.place for each in result.differences] == [("/*", "missing")]
