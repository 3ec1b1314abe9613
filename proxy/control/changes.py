"""The differences between two tables, as data and as sentences for an operator. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from proxy.model import Route, RouteTable
from proxy.model.stage import Stage

_OTHER_FIELDS = (
    ("backends", "backends"),
    ("explain", "the decision header"),
    ("forwarded", "forwarding headers"),
    ("tests", "tests"),
    ("min_route_coverage", "test coverage"),
    ("errors", "error bodies"),
    ("without_parameters", "backends without path parameters"),
)
_MAX_SENTENCES = 3
"""Of one kind; one more is shown if it would be the last."""


class RouteState(Struct, frozen=True, forbid_unknown_fields=True):
    """Stage and weights of a route. Weights are in per cent and in file order; empty for a retired route and for one
    without backends."""

    stage: Stage | None
    weights: dict[str, int | float]


class RouteChange(Struct, frozen=True, forbid_unknown_fields=True):
    """None stands for a route that is not in the table."""

    route: str
    before: RouteState | None
    after: RouteState | None


class Changes(Struct, frozen=True, forbid_unknown_fields=True):
    """The differences of two tables."""

    kill_switch: bool | None = None
    """Its new value; None if it did not change."""
    routes: tuple[RouteChange, ...] = ()
    """Routes with another stage or other weights; routes that were added or removed."""
    changed: tuple[str, ...] = ()
    """The names of routes with other differences."""
    other: tuple[str, ...] = ()
    """The other parts of the table that differ."""


def state_of(route: Route) -> RouteState:
    """The state of a route, as a rollback restores it."""
    refs = () if route.stage == "retired" else route.backend_refs
    return RouteState(route.stage, {ref.backend: _percent(ref.weight_bp) for ref in refs})


def _percent(weight_bp: int) -> int | float:
    return weight_bp // 100 if weight_bp % 100 == 0 else weight_bp / 100


def changes_between(before: RouteTable, after: RouteTable) -> Changes:
    """The changes from `before` to `after`. Positions in the file do not count."""
    kill_switch = after.kill_switch if after.kill_switch != before.kill_switch else None
    old = {route.name: route for route in before.routes}
    new = {route.name: route for route in after.routes}
    both = [name for name in new if name in old]
    other = [text for field, text in _OTHER_FIELDS if _field(before, field) != _field(after, field)]
    if both != [name for name in old if name in new]:
        other.append("the order of routes")
    return Changes(
        kill_switch,
        tuple(_route_changes(old, new)),
        tuple(name for name in both if _differs(old[name], new[name])),
        tuple(other),
    )


def reversed_changes(changes: Changes) -> Changes:
    """What undoes `changes`."""
    return replace(
        changes,
        kill_switch=None if changes.kill_switch is None else not changes.kill_switch,
        routes=tuple(
            RouteChange(each.route, before=each.after, after=each.before) for each in changes.routes
        ),
    )


def _route_changes(old: dict[str, Route], new: dict[str, Route]) -> Iterator[RouteChange]:
    for name in {**old, **new}:
        if name in old and old[name] is new.get(name):
            continue
        before = state_of(old[name]) if name in old else None
        after = state_of(new[name]) if name in new else None
        if before != after:
            yield RouteChange(name, before, after)


def _differs(old: Route, new: Route) -> bool:
    """Whether they differ in more than their state and their place in the file."""
    if old is new or _without_places(old) == _without_places(new):
        return False
    return _without_state(old, new) != _without_state(new, old)


def _without_places(route: Route) -> Route:
    return replace(route, line=0, match_positions=())


def _without_state(route: Route, other: Route) -> dict[str, Any]:
    """All fields but the state. If one of the two is retired, references and direct response belong to the state."""
    refs = tuple(replace(ref, weight_bp=0) for ref in route.backend_refs)
    fields = asdict(_without_places(route)) | {"stage": None, "backend_refs": refs}
    if "retired" in (route.stage, other.stage):
        fields |= {"backend_refs": (), "direct_response": None}
    return fields


def _field(table: RouteTable, field: str) -> Any:
    if field == "tests":
        return tuple(replace(test, line=0, column=0) for test in table.tests)
    return getattr(table, field)


# --- sentences ------------------------------------------------------------------------------


def sentences(changes: Changes) -> list[str]:
    """Each change as a sentence like `flightspecials: canary 5 % -> 20 %`, at most a few of each kind."""
    texts = []
    if changes.kill_switch is not None:
        texts.append(f"kill switch {'on' if changes.kill_switch else 'off'}")
    texts += list(_first((_sentence(change) for change in changes.routes), len(changes.routes)))
    texts += list(_first((f"{name}: changed" for name in changes.changed), len(changes.changed)))
    if changes.other:
        texts.append(f"changed: {', '.join(changes.other)}")
    return texts or ["comments or layout only"]


def _first(texts: Iterable[str], count: int) -> Iterator[str]:
    for position, text in enumerate(texts):
        if position == _MAX_SENTENCES and count > _MAX_SENTENCES + 1:
            yield f"and {count - _MAX_SENTENCES} routes more"
            return
        yield text


def _sentence(change: RouteChange) -> str:
    before, after = change.before, change.after
    if before is None and after is not None:
        return f"{change.route}: added ({state_text(after)})".replace(" ()", "")
    if before is None or after is None:
        return f"{change.route}: removed"
    same = before.stage == after.stage and before.weights.keys() == after.weights.keys()
    return f"{change.route}: {state_text(before)} -> {state_text(after, named=not same)}"


def state_text(state: RouteState, *, named: bool = True) -> str:
    """`canary 20 %`: the stage and the newcomer's weight. Without a stage: `legacy=80 new=20`.

    If not `named`, only the weight of the newcomer.
    """
    weights = state.weights
    if state.stage is None:
        return " ".join(f"{name}={weight:g}" for name, weight in weights.items())
    if len(weights) != 2:
        return state.stage
    newcomer = f"{list(weights.values())[1]:g} %"
    return f"{state.stage} {newcomer}" if named else newcomer
