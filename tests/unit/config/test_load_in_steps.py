"""A load frees memory in small steps: while one runs, no request can go on (ADR 26)."""

import pytest

from proxy.config.load import Loaded, load
from proxy.errors import TableError
from tests.support.freed import most_freed_in_a_step

_ROUTES = 150
_PER_ROUTE = 3
"""The tree of a route, its model and its keys in a check have some ten to thirty each."""


def table(weight: int = 80, routes: int = _ROUTES, more: str = "", tests: str = "") -> bytes:
    """A table whose routes have hosts and templates: every check looks at them."""
    listed = "".join(
        f"  - name: r{number}\n"
        f"    match: {{hosts: [h{number % 9}.example], path: {{template: '/s/r{number}/{{id}}'}}}}\n"
        f"    backend_refs: {{legacy: {weight}, new: {100 - weight}}}\n"
        for number in range(routes)
    )
    return (
        "version: 1\nbackends: {legacy: 'http://127.0.0.1:1', new: 'http://127.0.0.1:1'}\n"
        f"routes:\n{listed}{more}  - {{name: rest, backend_refs: legacy}}\n{tests}"
    ).encode()


HIDDEN = (
    "  - {name: hidden, match: {hosts: [h0.example], path: {template: '/s/r0/{id}'}}, "
    "backend_refs: legacy}\n"
)
NEW = "  - {name: other, match: {path: {exact: /other}}, backend_refs: legacy}\n"
FAILING = "tests:\n  - {name: fails, input: {path: /x}, expect: {route: r0}}\n"
EDITS = {
    "one weight": table().replace(b"legacy: 80, new: 20", b"legacy: 70, new: 30", 1),
    "a route more": table(more=NEW),
    "a route less": table(routes=_ROUTES - 1),
    "every line": table(79),
    "an unknown key": table(more=NEW.replace("match", "matches")),
    "an unreachable route": table(more=HIDDEN),
    "a failing test": table(tests=FAILING),
    "every line and a failing test": table(79, tests=FAILING),
    "an error in every line": table(79).replace(b"new: 21", b"new: 22"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_no_step_of_a_load_frees_much_memory(edit: str) -> None:
    before = load(table(), "routes.yaml")
    kept: list[Loaded | str] = []

    def act() -> None:
        try:
            kept.append(load(EDITS[edit], "routes.yaml", before))
        except TableError as error:
            kept.append(str(error))

    freed = most_freed_in_a_step(act)
    assert freed < _PER_ROUTE * _ROUTES, f"{freed} objects were freed in one step"
    assert len(kept) == 1


def test_the_parts_of_a_load_are_its_routes_and_the_nodes_of_its_index() -> None:
    loaded = load(table(routes=2), "routes.yaml")
    parts = loaded.parts()
    assert [part for part in parts if part in loaded.table.routes][:3] == [*loaded.table.routes]
    assert parts[-1] is next(loaded.index.nodes())
