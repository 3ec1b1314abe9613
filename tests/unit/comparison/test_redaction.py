"""Secrets stay out of what is stored."""

from typing import Any

import pytest

from proxy.comparison.redaction import REDACTED, Redaction
from proxy.comparison.users import user_hash
from proxy.model import CompareRules
from tests.unit.comparison.responses import examples, outcome, response

CANARY = "canary-5f3a"
RULES = CompareRules(
    headers=("x-partner", "set-cookie", "x-plain"),
    redact=("header:x-partner", "cookie:TB_UID", "query:who", "body:$[*].iban", "body:$.a.b"),
)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([{"iban": CANARY}], [{"iban": "x"}]),
        ([{"iban": "x"}], [{"iban": CANARY}]),
        ([{"iban": {"deep": CANARY}}], [{"iban": 1}]),
        ([], [{"id": 1, "iban": CANARY}]),
        ([], [{"id": 1, "x": {"accessToken": {"v": CANARY}}}]),
        ({"a": {"b": CANARY}}, {"a": {"b": 1}}),
        ({"a": {"b": CANARY}}, {}),
        ({"a": {"b": CANARY}}, {"a": 5}),
        ({"Password": CANARY}, {"Password": "x"}),
        ({"n": {"api_key": [CANARY]}}, {}),
        (b'{"a": {"b": "' + CANARY.encode(), b'{"a": {"b": "'),
        (b"[1]", b'{"a": {"b": "' + CANARY.encode()),
    ],
)
def test_no_example_has_a_secret_of_a_body(left: Any, right: Any) -> None:
    assert CANARY not in repr(outcome(left, right, RULES))


def test_null_is_shown_where_a_secret_would_be() -> None:
    assert examples({"token": None}, {"token": "x"}) == [(None, REDACTED)]


@pytest.mark.parametrize("name", ["x-partner", "set-cookie"])
def test_no_example_has_a_secret_of_a_field(name: str) -> None:
    one = response(b"[]", [(name.encode(), CANARY.encode())])
    other = response(b"[]", [(name.encode(), b"x")])
    (difference,) = outcome(one, other, RULES).differences
    assert (difference.path, difference.left, difference.right) == (
        f"header:{name}", REDACTED, REDACTED
    )  # fmt: skip


def test_other_fields_are_shown() -> None:
    one, other = response(b"[]", [(b"x-plain", b"a")]), response(b"[]")
    assert examples(one, other, RULES) == [("a", None)]


def test_fields_and_targets_of_requests() -> None:
    redaction = Redaction(RULES.redact)
    fields = [
        (b"Accept", b"*/*"), (b"cookie", b"x"), (b"X-Partner", b"x"), (b"x-api-key", b"x"),
        (b"authorization", b"Basic x"),
    ]  # fmt: skip
    assert redaction.kept_fields(fields) == [("accept", "*/*")]
    hidden = "%28redacted%29"
    for target, expected in {
        "/a/b?x=1&y": "/a/b?x=1&y",
        "/a;jsessionid=9;v=1/b": f"/a;jsessionid={hidden};v=1/b",
        "/a?who=me&x=%20": f"/a?who={hidden}&x=%20",
        "/a?access_token=9": f"/a?access_token={hidden}",
        "/a?w%68o=me": f"/a?w%68o={hidden}",
    }.items():
        assert redaction.target(target) == expected
        assert redaction.hides(target) == (target != expected)


def test_a_user_is_a_number_that_depends_on_the_salt() -> None:
    one = user_hash("s", "ada")
    assert one == user_hash("s", "ada")
    assert len({one, user_hash("t", "ada"), user_hash("s", "bob")}) == 3
    assert 0 <= one < 2**63
