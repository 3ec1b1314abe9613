"""Recorded cases: which are kept, without secrets, and the test file that they become."""

from typing import Any

import pytest

from proxy.comparison.case_tests import written_tests
from proxy.comparison.cases import MAX_BODY, Case, CaseRequest, CaseStore, RecordedCases
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import EQUAL, Difference, Outcome
from proxy.comparison.redaction import REDACTED
from proxy.model import CompareRules, DeclaredDifference, Equivalence
from tests.unit.comparison.responses import JSON, response

CANARY = "canary-77aa"
RULES = CompareRules(
    headers=("content-type", "set-cookie", "x-partner"),
    equal=(Equivalence("$[*].at", "instant", "epoch_ms", "iso"),),
    ignore=(DeclaredDifference("$[*].header", "build", "web", "2099-01-01"),),
    redact=("header:x-partner", "body:$[*].iban"),
    store_mismatches=10,
)
DIFFERENT = Outcome("different", "", (Difference("/*/id", "value"),))


def get(target: str, *headers: tuple[str, str]) -> CaseRequest:
    return CaseRequest("GET", target, headers)


def kept(*added: tuple[CaseRequest, Observation, Outcome]) -> list[Case]:
    store = CaseStore(RULES)
    for each in added:
        store.add(*each, 1.0)
    return store.cases


def test_each_stratum_has_three_cases() -> None:
    other = Outcome("different", "", (Difference("/*/id", "type"),))
    good = response([{"id": 1}])
    cases = kept(
        *((get(f"/a/{number}"), good, EQUAL) for number in range(5)),
        *((get(f"/b?x={number}"), good, EQUAL) for number in range(5)),
        (get("/b"), response([], status=404), EQUAL),
        *((get(f"/a/{number}"), good, DIFFERENT) for number in range(5)),
        (get("/a/1"), good, other),
    )  # fmt: skip
    assert [(each.request.target, each.status, each.places) for each in cases] == [
        *((f"/a/{number}", 200, ()) for number in range(3)),
        *((f"/b?x={number}", 200, ()) for number in range(3)),
        ("/b", 404, ()),
        *((f"/a/{number}", 200, ("value /*/id",)) for number in range(3)),
        ("/a/1", 200, ("type /*/id",)),
    ]


def test_cases_that_were_recorded_before_have_their_place_among_the_others() -> None:
    good = response([{"id": 1}])
    before = kept(*((get(f"/a/{number}"), good, EQUAL) for number in range(3)))
    store = CaseStore(RULES, before)
    assert not store.add(get("/a/9"), good, EQUAL, 2.0)
    assert store.add(get("/b"), good, EQUAL, 2.0)
    assert store.cases[:3] == before
    # The same ones twice are too many of a kind.
    assert CaseStore(RULES, before + before).cases == before


def test_a_slow_response_is_no_case_that_differed() -> None:
    slow = Outcome("equal", "", (Difference("body", "slow"),))
    (case,) = kept((get("/a"), response([]), slow))
    assert case.places == ()


def test_the_number_of_cases_is_bounded() -> None:
    letters = [f"/{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(200)]
    equal = kept(*((get(target), response([]), EQUAL) for target in letters))
    assert len(equal) == 60
    assert len(kept(*((get(target), response([]), DIFFERENT) for target in letters))) == 10


@pytest.mark.parametrize(
    ("request_", "baseline", "outcome"),
    [
        (get("/a"), response([]), Outcome("baseline_invalid", "empty")),
        (get("/a"), response([]), Outcome("not_compared", "too_large")),
        (get("/a"), Observation(200, JSON, b"[", failure="broke"), DIFFERENT),
        (get("/a?token=x"), response([]), DIFFERENT),
    ],
)
def test_what_is_no_case(request_: CaseRequest, baseline: Observation, outcome: Outcome) -> None:
    assert kept((request_, baseline, outcome)) == []


def test_no_case_has_a_secret() -> None:
    body = [{"iban": CANARY, "accessToken": {"x": CANARY}, "n": [{"password": CANARY}], "id": 1}]
    fields = [*JSON, (b"set-cookie", CANARY.encode()), (b"x-partner", CANARY.encode())]
    request = get("/a", ("authorization", CANARY), ("x-partner", CANARY), ("accept", "*/*"))
    (case,) = kept((request, response(body, fields), EQUAL))
    assert case.request.headers == (("accept", "*/*"),)
    assert case.fields == (("content-type", ("application/json",)),)
    assert case.body == [
        {"iban": REDACTED, "accessToken": REDACTED, "n": [{"password": REDACTED}], "id": 1}
    ]
    assert CANARY not in written_tests(RecordedCases("list", RULES, [], [case]), "test_list.py")


@pytest.mark.parametrize(
    ("baseline", "body"),
    [
        (response([1]), [1]),
        (response(b"[1", JSON), None),
        (response([1], [(b"content-type", b"text/html")]), None),
        (response([1], []), None),
        (response([1], [*JSON, (b"content-encoding", b"gzip")]), None),
        (response("x" * MAX_BODY), None),
        (response(b'["\\ud800"]'), None),
        (response(b'["\xff"]'), None),
        (Observation(200, JSON, b"[1", 5, b"hash"), None),
    ],
)
def test_the_body_of_a_case_is_its_json(baseline: Observation, body: Any) -> None:
    (case,) = kept((get("/a"), baseline, EQUAL))
    assert (case.body, case.has_json) == (body, body is not None)


def test_a_large_body_is_read_in_slices_and_a_deep_one_is_cut() -> None:
    rows = [{"text": "y" * 40, "n": number} for number in range(500)]
    (case,) = kept((get("/a"), response(rows), EQUAL))
    assert case.body == rows
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    (case,) = kept((get("/a"), response(deep), EQUAL))
    assert REDACTED in repr(case.body)


class Served:
    """The names in a test file, and a response for it."""

    def __init__(
        self, *cases: Case, noise: tuple[str, ...] = (), file: str = "test_list.py"
    ) -> None:
        text = written_tests(RecordedCases("list", RULES, list(noise), list(cases)), file)
        self.names: dict[str, Any] = {}
        exec(compile(text, "cases", "exec"), self.names)

    def differences(self, actual: Any) -> list[str]:
        found: list[str] = self.names["differences"](self.names["CASES"][0]["body"], actual)
        return found


SOON = 4_000_000_000_000
ROWS: list[dict[str, Any]] = [
    {"id": 1, "header": "a", "at": SOON, "cost": 5, "tags": ["x"]},
    {"id": 2, "header": "b", "at": 1_000, "cost": 6, "tags": ["y"]},
    {"id": 3, "header": "c", "at": SOON, "cost": 7, "tags": []},
]


def changed(**more: Any) -> list[dict[str, Any]]:
    return [{**ROWS[0], **more}, *ROWS[1:]]


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (ROWS, []),
        (changed(header="[42] ==> a"), []),
        (changed(at="2096-10-02T07:06:40Z"), []),
        (changed(at="2096-10-02T07:06:41Z"), ["/*/at: 4000000000000 is '2096-10-02T07:06:41Z'"]),
        (changed(cost=5.0), []),
        (changed(cost="5"), ["/*/cost: 5 is '5'"]),
        (changed(cost=True), ["/*/cost: 5 is True"]),
        (changed(build=1), ["/*/build: extra"]),
        (changed(tags=["x", "z"]), ["/*/tags/*: another number of rows"]),
        ([ROWS[0], ROWS[2]], []),
        ([ROWS[1], ROWS[2]], ["/*: no row with id = 1"]),
        ([ROWS[1], ROWS[0], ROWS[2]], [": another order"]),
        ([*ROWS, {**ROWS[0], "id": 9}], ["/*: extra rows"]),
        ([*ROWS, ROWS[0]], ["/*: extra rows"]),
        ({}, [f": {ROWS!r} is {{}}"]),
        ([{k: v for k, v in ROWS[0].items() if k != "cost"}, *ROWS[1:]], ["/*/cost: missing"]),
    ],
)
def test_a_test_file_finds_what_differs(actual: Any, expected: list[str]) -> None:
    (case,) = kept((get("/a"), response(ROWS), EQUAL))
    assert Served(case).differences(actual) == expected


def test_a_test_file_ignores_noise_and_has_any_text_in_it() -> None:
    quotes = "'''\"\"\" @CASES@ \\ '"
    (case,) = kept((get("/a"), response([{"id": 1, "clock": 5, "text": quotes}]), DIFFERENT))
    served = Served(case, noise=("/*/clock", "body", "/x"), file='a"""b')
    assert served.differences([{"id": 1, "clock": 6, "text": quotes}]) == []
    assert served.differences([{"id": 1, "clock": 6, "text": "x"}]) != []
    assert served.names["CASES"][0]["name"] == "1 GET /a differed: value /*/id"


def test_declared_differences_of_status_and_fields_are_not_tested() -> None:
    declared = (
        DeclaredDifference("status", "201 for 200", "web", "2099-01-01"),
        DeclaredDifference("header:etag", "another hash", "web", "2099-01-01"),
    )
    rules = CompareRules(headers=("etag", "vary"), ignore=declared)
    store = CaseStore(rules)
    store.add(get("/a"), response([], [*JSON, (b"etag", b"1"), (b"vary", b"origin")]), EQUAL, 1.0)
    for chosen, status, fields in (
        (rules, "any", ["vary"]),
        (CompareRules(headers=rules.headers), "exact", ["etag", "vary"]),
    ):
        names: dict[str, Any] = {}
        text = written_tests(RecordedCases("list", chosen, [], store.cases), "test_list.py")
        exec(compile(text, "cases", "exec"), names)
        assert names["STATUS"] == status
        assert list(names["CASES"][0]["fields"]) == fields
