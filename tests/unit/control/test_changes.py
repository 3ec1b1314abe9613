"""The differences of two tables as sentences."""

import pytest

from proxy.config.loader import parse_table
from proxy.control.changes import (
    Changes,
    RouteChange,
    RouteState,
    changes_between,
    reversed_changes,
    sentences,
)
from tests.texts import FLOW, HEAD, REST, table


@pytest.mark.parametrize(
    ("before", "then", "sentence"),
    [
        (
            table(FLOW.format(95, 5), "canary"),
            table(FLOW.format(80, 20), "canary"),
            "r: canary 5 % -> 20 %",
        ),
        (
            table(FLOW.format(100, 0), "legacy"),
            table(FLOW.format(95, 5), "canary"),
            "r: legacy 0 % -> canary 5 %",
        ),
        (
            table(FLOW.format(95, 5)),
            table(FLOW.format(80, 20)),
            "r: legacy=95 new=5 -> legacy=80 new=20",
        ),
        (
            table(FLOW.format(0, 100), "live"),
            table(FLOW.format(0, 100), "retired"),
            "r: live 100 % -> retired",
        ),
        (table(FLOW.format(95, 5)), table(FLOW.format(95, 5)).replace(REST, ""), "rest: removed"),
        (
            table(FLOW.format(95, 5)).replace(REST, ""),
            table(FLOW.format(95, 5)),
            "rest: added (legacy=100)",
        ),
        (table(FLOW.format(95, 5)), table(FLOW.format(95, 5)).replace("/r", "/q"), "r: changed"),
        (
            table(FLOW.format(95, 5)),
            "kill_switch: true\n" + table(FLOW.format(95, 5)),
            "kill switch on",
        ),
        (
            table(FLOW.format(95, 5)),
            table(FLOW.format(95, 5)).replace("c:1", "c:2"),
            "changed: backends",
        ),
        (
            table(FLOW.format(95, 5)),
            table(FLOW.format(95, 5)).replace(REST, "").replace(HEAD, HEAD + REST),
            "changed: the order of routes",
        ),
        (
            table(FLOW.format(95, 5)),
            "# hi\n" + table(FLOW.format(95, 5)),
            "comments or layout only",
        ),
    ],
    ids=lambda text: text if "\n" not in text else "",
)
def test_a_change_has_a_sentence(before: str, then: str, sentence: str) -> None:
    one, other = (parse_table(text.encode())[0] for text in (before, then))
    assert sentences(changes_between(one, other)) == [sentence]


def test_only_the_first_of_many_changes_are_listed() -> None:
    routes = tuple(RouteChange(f"r{n}", None, RouteState(None, {})) for n in range(9))
    assert sentences(Changes(routes=routes))[-1] == "and 6 routes more"


def test_changes_can_be_reversed() -> None:
    before, after = RouteState("legacy", {"a": 100}), RouteState("canary", {"a": 95, "b": 5})
    changes = Changes(True, (RouteChange("r", before, after),), ("q",), ("tests",))
    undone = Changes(False, (RouteChange("r", after, before),), ("q",), ("tests",))
    assert reversed_changes(changes) == undone
    assert reversed_changes(undone) == changes
    assert reversed_changes(Changes()) == Changes()
