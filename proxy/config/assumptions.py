"""Checks the expectations of a table's tests against their assumptions (rule 9).

No test may refuse a shift, a rollback or the kill switch. So a test states the stage or weights that it
assumes, or expects nothing that depends on them.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from proxy.config.documents.routes import RouteDoc
from proxy.config.documents.table import TestDoc
from proxy.config.faults import Fault, did_you_mean
from proxy.config.tree import Loc
from proxy.model import ALL_BP

_HINT = "add `given: {stage: …, weights: {…}}`, so that no shift breaks the test"


class KnownNames(Struct, frozen=True):
    """The names that tests may use. `routes` holds the valid documents of the routes that tests name."""

    route_names: dict[str, Loc]
    backends: dict[str, None]
    routes: dict[str, RouteDoc]


def routes_named(tests: Any) -> frozenset[str]:
    """The names of routes in the `expect` blocks of unvalidated tests."""
    names = set()
    for test in tests if isinstance(tests, list) else ():
        expect = test.get("expect") if isinstance(test, dict) else None
        name = expect.get("route") if isinstance(expect, dict) else None
        if isinstance(name, str):
            names.add(name)
    return frozenset(names)


def assumption_faults(test: TestDoc, names: KnownNames) -> Iterator[Fault]:
    """Unknown names, and expectations that a shift would break."""
    expect, given = test.expect, test.given
    if expect.route is not None and expect.route not in names.route_names:
        hint = did_you_mean(expect.route, names.route_names)
        yield Fault(("expect", "route"), f"there is no route `{expect.route}`", hint)
    yield from _backends(test, names)
    route = names.routes.get(expect.route or "")
    if route is None:
        return
    if given.weights is not None:
        yield from _weights(test, route)
    if given.stage is not None and route.stage is None:
        text = f"the route `{route.name}` has no stage"
        yield Fault(("given", "stage"), text, "give `weights` instead", on_key=True)
    yield from _missing_assumptions(test, route)


def _backends(test: TestDoc, names: KnownNames) -> Iterator[Fault]:
    mentioned: list[tuple[Loc, str]] = []
    if test.expect.backend is not None:
        mentioned.append((("expect", "backend"), test.expect.backend))
    for position, name in enumerate(test.expect.mirrored_to or ()):
        mentioned.append((("expect", "mirrored_to", position), name))
    for key in ("override", "last_write"):
        name = getattr(test.input, key)
        if name is not None:
            mentioned.append((("input", key), name))
    mentioned += [(("given", "weights", name), name) for name in test.given.weights or ()]
    for at, name in mentioned:
        if name not in names.backends:
            hint = did_you_mean(name, names.backends) or "add it under `backends:`"
            on_key = at[0] == "given"
            yield Fault(at, f"there is no backend `{name}`", hint, on_key=on_key)


def _weights(test: TestDoc, route: RouteDoc) -> Iterator[Fault]:
    weights = test.given.weights or {}
    order = [ref.name for ref in route.backend_refs or ()]
    for name in weights:
        if name not in order:
            text = f"the route `{route.name}` has no backend `{name}`"
            yield Fault(("given", "weights", name), text, did_you_mean(name, order), on_key=True)
    if test.given.stage is None or len(order) != 2:
        return
    weight = weights.get(order[1], 0)
    possible = {
        "legacy": weight == 0,
        "shadow": weight == 0,
        "canary": 0 < weight < ALL_BP,
        "live": weight == ALL_BP,
        "retired": True,
    }[test.given.stage]
    if not possible:
        text = f"stage {test.given.stage} does not go with these weights"
        yield Fault(("given", "weights"), text, "see the table of stages")


def _missing_assumptions(test: TestDoc, route: RouteDoc) -> Iterator[Fault]:
    """Expectations that depend on a stage or weights which the test does not give."""
    refs = route.backend_refs or ()
    given = test.given
    if len(refs) < 2 or given.weights is not None or given.kill_switch:
        return
    if given.stage is not None and given.stage != "canary":
        return
    for key in _dependent_keys(route):
        if getattr(test.expect, key) is not None:
            text = f"`{key}` depends on the stage or weights of `{route.name}`, which may change"
            yield Fault(("expect", key), text, _HINT, on_key=True)


def _dependent_keys(route: RouteDoc) -> tuple[str, ...]:
    """The keys of `expect` whose values change with the stage or weights of the route."""
    rewrites = [ref.url_rewrite for ref in route.backend_refs or ()]
    same = all(rewrite == rewrites[0] for rewrite in rewrites)
    always: tuple[str, ...] = ("backend", "mirrored_to", "reason")
    if route.stage == "retired":
        always = (*always, "status", "location")
    return always if same else (*always, "upstream_path", "upstream_host")
