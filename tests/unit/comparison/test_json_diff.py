"""Differences of JSON, by their places."""

from typing import Any

import pytest

from proxy.comparison.differences import MAX_PLACES
from proxy.model import CompareRules, Equivalence
from tests.unit.comparison.responses import SPECIALS, examples, outcome, places


def edited(**members: Any) -> list[dict[str, Any]]:
    """The specials with other values in the second one."""
    return [SPECIALS[0], {**SPECIALS[1], **members}, SPECIALS[2]]


def without(name: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != name} for row in SPECIALS]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        pytest.param(SPECIALS, [], id="the same"),
        pytest.param([dict(reversed(row.items())) for row in SPECIALS], [], id="members in another order"),
        pytest.param(edited(cost=99.0), [], id="a number written in another way"),
        pytest.param(edited(originCode="CDG"), [("/*/originCode", "value")], id="a wrong field"),
        pytest.param(without("body"), [("/*/body", "missing")], id="a missing field"),
        pytest.param(without("id"), [("/*/id", "missing")], id="the missing field identifies rows"),
        pytest.param(edited(build="42"), [("/*/build", "extra")], id="an extra field"),
        pytest.param(edited(note=None), [("/*/note", "extra")], id="null for absent"),
        pytest.param(edited(cost=[99]), [("/*/cost", "type")], id="a wrong type"),
        pytest.param(edited(cost="99"), [("/*/cost", "type")], id="a number as text"),
        pytest.param(edited(cost=99.00000000000001), [("/*/cost", "value")], id="a rounding"),
        pytest.param(edited(cost=True), [("/*/cost", "type")], id="true is not 1"),
        pytest.param(edited(header="Paris to"), [("/*/header", "length")], id="a cut text"),
        pytest.param(edited(header=""), [("/*/header", "value")], id="an empty text is another value"),
        pytest.param(SPECIALS[1:], [("/*", "missing")], id="the first row is missing"),
        pytest.param(SPECIALS[:2], [("/*", "missing")], id="the last row is missing"),
        pytest.param([], [("/*", "missing")], id="no rows"),
        pytest.param([*SPECIALS, {**SPECIALS[0], "id": 9}], [("/*", "extra")], id="an extra row"),
        pytest.param([SPECIALS[0], *SPECIALS], [("/*", "extra")], id="a row twice"),
        pytest.param(SPECIALS[::-1], [("", "order")], id="another order"),
        pytest.param([{**row, "id": row["id"] + 1} for row in SPECIALS], [("/*/id", "value")], id="other ids"),
        pytest.param(
            [SPECIALS[2], {**SPECIALS[0], "cost": 1}, SPECIALS[1]],
            [("", "order"), ("/*/cost", "value")],
            id="another order and a wrong field",
        ),
        pytest.param(
            [*SPECIALS[:2], {"id": 7, "header": "x", "body": "y", "cost": 1, "originCode": "Z"}],
            [("/*", "missing"), ("/*", "extra")],
            id="another row",
        ),
        pytest.param({"error": "no"}, [("", "type")], id="an object for an array"),
    ],
)  # fmt: skip
def test_a_list_of_rows_differs_at(right: Any, expected: list[tuple[str, str]]) -> None:
    assert places(SPECIALS, right) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param([1, 2, 3], [1, 3], [("/*", "missing")], id="a value is missing"),
        pytest.param([1, 2, 3], [3, 2, 1], [("", "order")], id="values in another order"),
        pytest.param([1, 2, 3], [1, 2, 4], [("/*", "value")], id="another value"),
        pytest.param([None, "1"], [None, 1], [("/*", "type")], id="null, and a type"),
        pytest.param([[1], [2]], [[1], [2, 3]], [("/*/*", "extra")], id="arrays of arrays"),
        pytest.param([{"a": 1}, 2], [2, {"a": 1}], [("", "order")], id="mixed members"),
        pytest.param([{"a": [1]}, {"a": [2]}], [{"a": [2]}, {"a": [1]}], [("", "order")], id="no name, other order"),
        pytest.param([{"t": 1}], [{"t": 2}], [("/*/t", "value")], id="one row with another value"),
        pytest.param([{"a": "x"}, {"a": "x"}], [{"a": "x"}], [("/*", "missing")], id="rows that are the same"),
        pytest.param([{}], [{}, {}], [("/*", "extra")], id="empty objects"),
        pytest.param({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, [("/a~1b/~0", "value")], id="escaped names"),
        pytest.param({"a": {"b": 1}}, {"a": 1}, [("/a", "type")], id="a number for an object"),
        pytest.param({"a": {"b": 1}}, {}, [("/a", "missing")], id="a missing object"),
        pytest.param(1, 1.0, [], id="a number by itself"),
        pytest.param("a", "b", [("", "value")], id="a text by itself"),
        pytest.param({"n": 10**400}, {"n": 10**400 + 1}, [("/n", "value")], id="large numbers"),
        pytest.param(b'{"n":1e400}', b'{"n":1E+400}', [], id="numbers that no float holds"),
        pytest.param(b'{"n":1e400}', b'{"n":2e400}', [("/n", "value")], id="two numbers that no float holds"),
        pytest.param(b'["\\ud800"]', b'["\\udfff"]', [("/*", "value")], id="lone surrogates"),
        pytest.param(b'{"\\ud800":1}', b"{}", [("/\\ud800", "missing")], id="a lone surrogate as a name"),
        pytest.param(list(range(1000)), [*range(500), "x", *range(501, 1000)], [("/*", "type")], id="one of many"),
        pytest.param(list(range(1000)), [*range(998)], [("/*", "missing")], id="the end of many"),
        pytest.param(list(range(1000)), [*range(5, 1000)], [("/*", "missing")], id="the beginning of many"),
        pytest.param([0, *[1] * 999], [0, *[True] * 999], [("/*", "type")], id="many of another type"),
        pytest.param([{"a": [{"b": []}]}], [{"a": [{"b": [0]}]}], [("/*/a/*/b/*", "extra")], id="deep"),
    ],
)  # fmt: skip
def test_other_json_differs_at(left: Any, right: Any, expected: list[tuple[str, str]]) -> None:
    assert places(left, right) == expected


@pytest.mark.parametrize(
    ("left", "right", "example"),
    [
        ({"a": 1}, {"a": "1"}, (1, "1")),
        ({"a": 1}, {}, (1, None)),
        ([1], [1, {"b": [2]}], (None, '{"b": [2]}')),
        ({"a": 2**70}, {"a": 1.5}, ("1180591620717411303424", 1.5)),
        ({"a": True}, {"a": None}, (True, None)),
        ({"a": "x" * 300}, {"a": "é"}, ("x" * 119 + "…", "é")),
        (b'{"a":"\\ud800"}', {"a": "b"}, ("\\ud800", "b")),
    ],
)
def test_an_example_is_short_and_readable(left: Any, right: Any, example: Any) -> None:
    assert examples(left, right) == [example]


def test_the_beginning_of_a_large_container_is_the_example() -> None:
    deep = {
        "a": {"b": {"c": {"d": {"e": 1}}}},
        "f": [[[[[1]]]]],
        "g": [[[[]]]],
        "h": {"i": {"j": {"k": {}}}},
    }
    assert examples([], [deep]) == [
        (None, '{"a": {"b": {"c": {"d": {"…": "…"}}}}, "f": [[[["…"]]]], "g": [[[[]]]], "h": {"i": {"j": {"k": {}}}}}')
    ]  # fmt: skip
    many = [{f"m{n}": n for n in range(20)}]
    assert examples([], many) == [
        (None, '{"m0": 0, "m1": 1, "m2": 2, "m3": 3, "m4": 4, "m5": 5, "m6": 6, "m7": 7}')
    ]


def test_long_arrays() -> None:
    many = list(range(30_000))
    assert places(many, [*many[:15_000], "x", *many[15_001:]]) == [("/*", "type")]
    assert places([0, *many], [1, *many]) == [("/*", "value")]
    rows = [{"a": [n], "b": 1} for n in range(3_000)]
    assert places(rows, [*rows[1:], rows[0]]) == [("", "order")]
    assert places(rows, [{**row, "b": 2} for row in rows]) == [("/*/b", "value")]
    named = [{"id": n, "b": 1} for n in range(3_000)]
    assert places(named, [{**row, "b": 2} for row in named]) == [("/*/b", "value")]
    wide = {str(n): n for n in range(2_000)}
    assert places({}, wide) == [(f"/{n}", "extra") for n in range(MAX_PLACES)]
    huge = [0] * 150_000
    assert outcome(huge, [1] * 150_000).reason == "too_large"


def test_the_places_of_one_comparison_are_bounded() -> None:
    left = {f"m{n}": n for n in range(2 * MAX_PLACES)}
    assert len(outcome(left, {}).differences) == MAX_PLACES


INSTANT = Equivalence("$[*].at", "instant", "epoch_ms", "iso_local", "Asia/Seoul")
ISO = Equivalence("$[*].at", "instant", "iso", "iso")
UNKNOWN_ZONE = Equivalence("$[*].at", "instant", "iso_local", "iso", "No/Zone")
CASE = Equivalence("$[*].at", "case_insensitive")
CENT = Equivalence("$[*].at", "number", tolerance=0.01)


@pytest.mark.parametrize(
    ("equal", "left", "right", "expected"),
    [
        pytest.param(INSTANT, 1_764_460_800_000, "2025-11-30T09:00:00", [], id="the same instant"),
        pytest.param(INSTANT, 1_764_460_800_500, "2025-11-30T09:00:00.500", [], id="with milliseconds"),
        pytest.param(INSTANT, 1_764_460_800_000, "2025-11-30T00:00:00", [("/*/at", "value")], id="a wrong zone"),
        pytest.param(INSTANT, 1_764_460_800_000, "2025-11-30T09:00:00Z", [("/*/at", "type")], id="another format"),
        pytest.param(INSTANT, 1_764_460_800_000, "soon", [("/*/at", "type")], id="no instant"),
        pytest.param(INSTANT, 1_764_460_800_000, 1_764_460_800, [("/*/at", "type")], id="a number"),
        pytest.param(INSTANT, 1_764_460_800_000, None, [("/*/at", "type")], id="null"),
        pytest.param(INSTANT, None, None, [], id="null on both sides"),
        pytest.param(INSTANT, 10**30, "2025-11-30T09:00:00", [("/*/at", "value")], id="a number that is no instant"),
        pytest.param(INSTANT, 1, "0001-01-01T00:00:00", [("/*/at", "type")], id="a date that UTC does not have"),
        pytest.param(Equivalence("$[*].at", "instant", "epoch_s", "iso"), 60, "1970-01-01T00:01:00Z", [], id="iso"),
        pytest.param(
            Equivalence("$[*].at", "instant", "epoch_ms", "epoch_s", tolerance=1), 60_900, 60, [], id="to the second"
        ),
        pytest.param(
            ISO, "2025-01-01T00:00Z", "2025-01-01T01:00+01:00", [], id="zones"
        ),
        pytest.param(
            ISO, "2025-01-01T00:00Z", "x", [("/*/at", "value")], id="one format"
        ),
        pytest.param(
            Equivalence("$[*].at", "instant", "iso_local", "iso"), "2025-01-01T00:00", "2025-01-01T00:00Z", [], id="UTC"
        ),
        pytest.param(
            UNKNOWN_ZONE, "2025-01-01T00:00", "2025-01-01T00:00Z", [],
            id="a zone that this machine does not know counts as UTC",
        ),
        pytest.param(CASE, "lhr", "LHR", [], id="case"),
        pytest.param(CASE, "lhr", "CDG", [("/*/at", "value")], id="case, another text"),
        pytest.param(CASE, "1", 1, [("/*/at", "type")], id="case, a number"),
        pytest.param(CENT, 19.99, 20, [], id="within the tolerance"),
        pytest.param(CENT, 19.98, 20, [("/*/at", "value")], id="beyond it"),
        pytest.param(CENT, 1, "1", [("/*/at", "type")], id="tolerance, a text"),
        pytest.param(Equivalence("$[*].at", "set"), [1, 2], [2, 1], [], id="a set"),
        pytest.param(Equivalence("$[*].at", "set"), [1, 2], [2, 3], [("/*/at/*", "value")], id="a set, another item"),
        pytest.param(Equivalence("$[*].at", "set"), 1, 2, [("/*/at", "value")], id="a set that is none"),
        pytest.param(
            Equivalence("$[*].at", "set", key="k"), [{"k": 1, "v": 1}, {"k": 2, "v": 1}],
            [{"k": 2, "v": 1}, {"k": 1, "v": 5}], [("/*/at/*/v", "value")], id="a set with keys",
        ),
    ],
)  # fmt: skip
def test_an_equivalence(equal: Equivalence, left: Any, right: Any, expected: Any) -> None:
    rules = CompareRules(equal=(equal,))
    assert places([{"at": left}], [{"at": right}], rules) == expected


def test_rows_are_recognised_by_equivalent_values() -> None:
    """`when` identifies the rows although it is written in two ways; every other member is the same in all rows."""
    rules = CompareRules(
        equal=(
            Equivalence("$.rows[*].when", "instant", "epoch_s", "iso"),
            Equivalence("$.rows[*].code", "case_insensitive"),
        )
    )
    left = {"rows": [{"x": True, "when": n * 60} for n in range(4)]}
    right = {"rows": [{"x": True, "when": f"1970-01-01T00:0{n}:00Z"} for n in range(4)]}
    del right["rows"][1]
    assert places(left, right, rules) == [("/rows/*", "missing")]
    codes = {"rows": [{"code": "a"}, {"code": "b"}]}, {"rows": [{"code": "B"}, {"code": "A"}]}
    assert places(*codes, rules) == [("/rows", "order")]


def test_a_rule_for_one_member_of_an_array_wins() -> None:
    rules = CompareRules(
        equal=(
            Equivalence("$[*]['the name']", "case_insensitive"),
            Equivalence("$[1]['the name']", "number", tolerance=2.0),
        )
    )
    left = [{"id": 1, "the name": "a"}, {"id": 2, "the name": 1}]
    right = [{"id": 1, "the name": "A"}, {"id": 2, "the name": 3}]
    assert places(left, right, rules) == []


def test_the_incumbent_is_compared_with_itself_in_its_own_format() -> None:
    rules = CompareRules(equal=(INSTANT,))
    rows = [{"at": 1_764_460_800_000, "n": 1}]
    later = [{"at": 1_764_460_800_000, "n": 2}]
    assert places(rows, later, rules, is_replay=True) == [("/*/n", "value")]
    assert places(rows, [{"at": 5, "n": 1}], rules, is_replay=True) == [("/*/at", "value")]
