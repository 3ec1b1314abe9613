"""Responses for comparisons, and what a comparison of two of them gives."""

import json
from typing import Any

from proxy.comparison.comparer import Comparer
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Outcome
from proxy.model import CompareRules, HeaderPairs

JSON: HeaderPairs = [(b"content-type", b"application/json")]
RULES = CompareRules()
SPECIALS: list[dict[str, Any]] = [
    {"id": 1, "header": "London to Prague", "body": "Jewel of the East", "cost": 120.5, "originCode": "LHR"},
    {"id": 2, "header": "Paris to London", "body": None, "cost": 99, "originCode": "ORG"},
    {"id": 3, "header": "Sydney to Rome", "body": "An Italian classic", "cost": 99, "originCode": "ORG"},
]  # fmt: skip


def response(body: Any = b"", headers: HeaderPairs = JSON, status: int = 200) -> Observation:
    """A response. A body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Observation(status, headers, content)


def outcome(left: Any, right: Any, rules: CompareRules = RULES, **more: Any) -> Outcome:
    """The outcome for two responses, or two bodies."""
    one, other = (
        each if isinstance(each, Observation) else response(each) for each in (left, right)
    )
    return Comparer(rules).compare(one, other, **more)


def places(
    left: Any, right: Any, rules: CompareRules = RULES, **more: Any
) -> list[tuple[str, str]]:
    """Path and kind of each difference."""
    result = outcome(left, right, rules, **more)
    assert result.result == ("different" if result.differences else "equal"), result
    return [(each.path, each.kind) for each in result.differences]


def examples(left: Any, right: Any, rules: CompareRules = RULES) -> list[tuple[Any, Any]]:
    return [(each.left, each.right) for each in outcome(left, right, rules).differences]
