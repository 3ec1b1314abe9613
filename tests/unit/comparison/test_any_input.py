"""Whatever two backends send: an outcome, and never an exception."""

import gzip
import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.comparison.cases import CaseRequest, CaseStore
from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.comparison.parity import Parity
from proxy.comparison.report import parity_report
from proxy.model import CompareRules, Equivalence

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab~/*", max_size=2), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
TEXTS = VALUES.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
BODIES = (
    TEXTS
    | st.binary(max_size=40)
    | TEXTS.map(gzip.compress)
    | st.tuples(TEXTS, st.integers(0, 30)).map(lambda cut: cut[0][: cut[1]])
    | st.text(alphabet='[]{}",:1eE+-.\\ud8NaN ', max_size=30).map(str.encode)
)
FIELDS = st.lists(
    st.sampled_from(
        [
            (b"content-type", b"application/json"),
            (b"content-type", b"text/html; charset=utf-16"),
            (b"content-type", b';=;charset="'),
            (b"content-encoding", b"gzip"),
            (b"content-encoding", b"br, zstd, deflate"),
            (b"vary", b'a, "b,'),
            (b"set-cookie", b"\xff=\x00"),
        ]
    ),
    max_size=3,
)
OBSERVATIONS = st.builds(
    Observation,
    status=st.sampled_from([0, 200, 204, 304, 404, 500]),
    headers=FIELDS,
    body=BODIES,
    length=st.none() | st.integers(0, 10**10),
    digest=st.binary(max_size=2),
    duration_s=st.floats(0, 100),
    failure=st.sampled_from(["", "", "", "timeout", "broke"]),
    is_ok=st.booleans(),
)
PATHS = ["$", "$[*]", "$[*].a", "$.a", "$.b[0]", "$['~']"]
EQUIVALENCES = st.builds(
    Equivalence,
    path=st.sampled_from(PATHS),
    kind=st.sampled_from(["instant", "set", "number", "case_insensitive"]),
    left=st.sampled_from(["epoch_s", "epoch_ms", "iso", "iso_local"]),
    right=st.sampled_from(["epoch_s", "epoch_ms", "iso", "iso_local"]),
    key=st.sampled_from(["", "a"]),
    tolerance=st.floats(0, 10),
)
RULES = st.builds(
    CompareRules,
    status=st.sampled_from(["exact", "class"]),
    headers=st.just(("content-type", "vary", "set-cookie")),
    body=st.sampled_from(["json", "json", "text", "bytes"]),
    equal=st.lists(EQUIVALENCES, max_size=2).map(tuple),
    redact=st.sampled_from([(), ("body:$[*].a",)]),
)


@settings(max_examples=150)
@given(RULES, OBSERVATIONS, OBSERVATIONS, st.booleans())
def test_any_two_responses_have_an_outcome(
    rules: CompareRules, left: Observation, right: Observation, is_replay: bool
) -> None:
    comparer, parity, store = Comparer(rules), Parity(), CaseStore(rules)
    outcome = comparer.compare(left, right, b"gzip", is_replay=is_replay)
    counted = [each for each in outcome.differences if each.kind != "slow"]
    assert (outcome.result == "different") == bool(counted)
    assert comparer.compare(left, left, b"gzip").result != "different"
    parity.add(outcome, 1.0)
    parity.add_replay(outcome, 1.0)
    store.add(CaseRequest("GET", "/"), left, outcome, 1.0)
    msgspec.json.encode(parity.counts)
    msgspec.json.encode(store.cases)
    msgspec.json.encode(parity_report("list", rules, parity.counts, 1.0))
