"""A text becomes a table that may serve, or is refused as a whole."""

import pytest

from proxy.config.load import load
from proxy.errors import TableError
from proxy.routing.match import match
from tests.make import facts, matched

HEAD = """\
version: 1
backends: {legacy: http://a:1, new: http://b:1}
routes:
- {name: list, match: {path: {prefix: /l}, methods: [FETCH, GET, OPTIONS]}, backend_refs: legacy}
- {name: rest, backend_refs: new}
"""
HIDDEN = "- {name: hidden, match: {path: {prefix: /x}}, backend_refs: legacy, priority: -1}\n"
HOLDS = "tests:\n- {name: holds, input: {path: /l}, expect: {route: list, backend: legacy}}\n"
FAILS = "- {name: fails, input: {path: /x}, expect: {route: list}}\n"


def test_a_table_comes_with_its_index_its_warnings_and_the_report_of_its_tests() -> None:
    loaded = load((HEAD + HOLDS).encode(), "t")
    assert match(loaded.index, facts("/l/1")) == matched(loaded.table.routes[0])
    assert [(each.line, each.severity) for each in loaded.warnings] == [(4, "warning")]
    assert [result.failures for result in loaded.report.results] == [()]
    assert (loaded.report.coverage, loaded.report.uncovered) == (50.0, ("rest",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            HEAD + HOLDS + FAILS,
            [(4, "the method `FETCH`"), (8, "test 'fails' fails: expected route list")],
            id="a test that fails",
        ),
        pytest.param(
            HEAD + HIDDEN + HOLDS,
            [(4, "the method `FETCH`"), (6, "no request reaches the route `hidden`")],
            id="a route that nothing reaches",
        ),
        pytest.param(
            HEAD + HIDDEN + HOLDS + FAILS,
            [(4, "the method"), (6, "no request reaches"), (9, "test 'fails' fails")],
            id="all at once, in the order of the file",
        ),
        pytest.param(
            HEAD + HOLDS + "test_policy: {min_route_coverage: 51}\n",
            [(0, "the tests reach 50 % of the routes"), (4, "the method `FETCH`")],
            id="tests that reach too little",
        ),
    ],
)
def test_a_table_is_refused_with_every_problem_and_its_warnings(
    text: str, said: list[tuple[int, str]]
) -> None:
    with pytest.raises(TableError) as refused:
        load(text.encode(), "t")
    found = refused.value.problems
    assert [problem.line for problem in found] == [line for line, _ in said]
    for problem, (_, words) in zip(found, said, strict=True):
        assert problem.text.startswith(words)
