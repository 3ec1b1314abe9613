"""What one table changes against another, in the words of an operator. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from proxy.model import Route, RouteTable
from proxy.model.stage import Stage

_PARTS = (
    ("backends", "backends"),
    ("explain", "the decision header"),
    ("forwarded", "forwarding headers"),
    ("tests", "tests"),
    ("min_route_coverage", "test coverage"),
    ("not_implemented", "fields that nothing obeys yet"),
)
_SHOWN = 3


class RouteState(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a route has come. Weights in per cent, in file order; none for a retired route, or one
    that answers by itself."""

    stage: Stage | None
    weights: dict[str, int | float]


class RouteChange(Struct, frozen=True, forbid_unknown_fields=True):
    """None is "not in the table"."""

    route: str
    before: RouteState | None
    after: RouteState | None


class Changes(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an edit changed."""

    kill_switch: bool | None = None
    """What it was changed to."""
    routes: tuple[RouteChange, ...] = ()
    """Routes with another stage or other weights, and routes that came or went."""
    changed: tuple[str, ...] = ()
    """Names of routes that differ in something else."""
    other: tuple[str, ...] = ()
    """Other parts of the table that differ."""


def state_of(route: Route) -> RouteState:
    """What a rollback of the route brings back."""
    refs = () if route.stage == "retired" else route.backend_refs
    return RouteState(route.stage, {ref.backend: _percent(ref.weight_bp) for ref in refs})


def _percent(weight_bp: int) -> int | float:
    return weight_bp // 100 if weight_bp % 100 == 0 else weight_bp / 100


def changes_between(before: RouteTable, after: RouteTable) -> Changes:
    """What `after` changes against `before`; where things stand in their files does not count."""
    kill_switch = after.kill_switch if after.kill_switch != before.kill_switch else None
    old = {route.name: route for route in before.routes}
    new = {route.name: route for route in after.routes}
    both = [name for name in new if name in old]
    other = [word for field, word in _PARTS if _part(before, field) != _part(after, field)]
    if both != [name for name in old if name in new]:
        other.append("the order of routes")
    return Changes(
        kill_switch,
        tuple(_route_changes(old, new)),
        tuple(name for name in both if _differs(old[name], new[name])),
        tuple(other),
    )


def _route_changes(old: dict[str, Route], new: dict[str, Route]) -> Iterator[RouteChange]:
    for name in {**old, **new}:
        before = state_of(old[name]) if name in old else None
        after = state_of(new[name]) if name in new else None
        if before != after:
            yield RouteChange(name, before, after)


def _differs(old: Route, new: Route) -> bool:
    """Whether anything but the state and the place is another."""
    if replace(old, line=0) == replace(new, line=0):
        return False
    return _rest(old, new) != _rest(new, old)


def _rest(route: Route, beside: Route) -> dict[str, Any]:
    """Everything but the state. A retired route says nothing of its references, and answers by itself."""
    refs = tuple(replace(ref, weight_bp=0) for ref in route.backend_refs)
    rest = asdict(route) | {"line": 0, "stage": None, "backend_refs": refs}
    if "retired" in (route.stage, beside.stage):
        rest |= {"backend_refs": (), "direct_response": None}
    return rest


def _part(table: RouteTable, field: str) -> Any:
    if field == "tests":
        return tuple(replace(test, line=0, column=0) for test in table.tests)
    return getattr(table, field)


# --- in words -------------------------------------------------------------------------------


def sentences(changes: Changes) -> list[str]:
    """Each change as `flightspecials: canary 5 % -> 20 %`; at most a few of each kind."""
    said = []
    if changes.kill_switch is not None:
        said.append(f"kill switch {'on' if changes.kill_switch else 'off'}")
    said += list(_few((_sentence(change) for change in changes.routes), len(changes.routes)))
    said += list(_few((f"{name}: changed" for name in changes.changed), len(changes.changed)))
    if changes.other:
        said.append(f"changed: {', '.join(changes.other)}")
    return said or ["comments or layout only"]


def _few(texts: Iterable[str], count: int) -> Iterator[str]:
    for position, text in enumerate(texts):
        if position == _SHOWN and count > _SHOWN + 1:
            yield f"and {count - _SHOWN} routes more"
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
    """`canary 20 %`: the stage and the newcomer's weight; without a stage `legacy=80 new=20`."""
    weights = state.weights
    if state.stage is None:
        return " ".join(f"{name}={weight:g}" for name, weight in weights.items())
    if len(weights) != 2:
        return state.stage
    newcomer = f"{list(weights.values())[1]:g} %"
    return f"{state.stage} {newcomer}" if named else newcomer
