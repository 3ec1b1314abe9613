"""The rules of stage and weights of a route: of everything in it that a shift changes.

They need no pydantic, so an edit of a table that was checked has them without its import (ADR 26).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from proxy.config.faults import Fault
from proxy.model import ALL_BP

_DESTINATIONS = ("backend_refs", "direct_response", "redirect")


class StagedRef(Protocol):
    """A reference of such a route."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int | None:
        """In hundredths of a per cent."""


class StagedRoute(Protocol):
    """What the rules look at. Of the last keys, only whether they are given."""

    @property
    def name(self) -> str: ...

    @property
    def stage(self) -> str | None: ...

    @property
    def backend_refs(self) -> Sequence[StagedRef] | None: ...

    @property
    def direct_response(self) -> object | None: ...

    @property
    def redirect(self) -> object | None: ...

    @property
    def retired(self) -> object | None: ...

    @property
    def rollout(self) -> object | None: ...

    @property
    def mirror(self) -> object | None: ...

    @property
    def override(self) -> object | None: ...

    @property
    def fallback(self) -> object | None: ...


def stage_faults(route: StagedRoute) -> Iterator[Fault]:
    """The broken rules of a route whose keys are all valid."""
    for _, rule in STAGE_RULES:
        yield from rule(route)


def _one_destination(route: StagedRoute) -> Iterator[Fault]:
    given = [key for key in _DESTINATIONS if getattr(route, key) is not None]
    if route.stage == "retired":
        # A retired route may keep its backends for a rollback; they get no requests.
        given = [key for key in given if key != "backend_refs"]
    elif not given:
        hint = "write `backend_refs`, `direct_response` or `redirect`"
        yield Fault((), f"the route `{route.name}` has no answer", hint)
    for extra in given[1:]:
        text = f"`{extra}` stands beside `{given[0]}`"
        yield Fault((extra,), text, "a route has one of them", on_key=True)
    if route.stage is None:
        return
    if route.redirect is not None:
        hint = "leave the stage out: a redirect has no incumbent"
        yield Fault(("redirect",), f"a redirect with stage {route.stage}", hint, on_key=True)
    if route.direct_response is not None and route.stage != "retired":
        hint = "write `stage: retired`, or `backend_refs` instead"
        text = f"a direct_response with stage {route.stage}"
        yield Fault(("direct_response",), text, hint, on_key=True)


def _retired(route: StagedRoute) -> Iterator[Fault]:
    if route.retired is not None and route.stage != "retired":
        hint = "write `stage: retired`, or leave it out"
        yield Fault(("retired",), "`retired` on a route that is not", hint, on_key=True)


def _weights(route: StagedRoute) -> Iterator[Fault]:
    refs = route.backend_refs or ()
    seen: set[str] = set()
    for position, ref in enumerate(refs):
        if ref.name in seen:
            text = f"the backend `{ref.name}` is given twice"
            yield Fault(("backend_refs", position, "name"), text, "add the two weights")
        seen.add(ref.name)
    missing = [position for position, ref in enumerate(refs) if ref.weight is None]
    for position in missing:
        text = f"`{refs[position].name}` has no weight"
        yield Fault(("backend_refs", position), text, "add `weight:`; all sum to 100")
    total = sum(ref.weight or 0 for ref in refs)
    if refs and not missing and total != ALL_BP:
        if len(refs) == 1:
            text = f"the only backend has weight {format_share(total)}"
            yield Fault(("backend_refs", 0, "weight"), text, "write 100, or leave the weight out")
        else:
            text = f"the weights sum to {format_share(total)}, not to 100"
            yield Fault(("backend_refs",), text, "make them sum to 100")


def _stage(route: StagedRoute) -> Iterator[Fault]:
    stage, refs = route.stage, route.backend_refs
    if stage is None or refs is None:
        return
    if len(refs) > 2:
        text = f"a route with a stage has an incumbent and a newcomer, not {len(refs)} backends"
        yield Fault(("backend_refs",), text, "name two, or leave the stage out")
    elif len(refs) == 1 and stage not in ("legacy", "retired"):
        hint = "name the incumbent, then the newcomer, or write `stage: legacy`"
        yield Fault(("backend_refs",), f"stage {stage} needs two backends", hint)
    elif len(refs) == 2 and all(ref.weight is not None for ref in refs):
        yield from _newcomer(stage, refs[1])


def _newcomer(stage: str, ref: StagedRef) -> Iterator[Fault]:
    weight = ref.weight or 0
    allowed, fitting_weights = {
        "legacy": (weight == 0, "0"),
        "shadow": (weight == 0, "0"),
        "canary": (0 < weight < ALL_BP, "more than 0 and less than 100"),
        "live": (weight == ALL_BP, "100"),
        "retired": (True, ""),
    }[stage]
    if not allowed:
        fitting = "live" if weight == ALL_BP else "canary" if weight else "shadow"
        text = f"stage {stage} wants weight {fitting_weights} for the newcomer `{ref.name}`, not "
        hint = f"write `stage: {fitting}`, or change the weights"
        yield Fault(("backend_refs", 1, "weight"), f"{text}{format_share(weight)}", hint)


def _two_sides(route: StagedRoute) -> Iterator[Fault]:
    """The keys about "the other backend" need a route with two."""
    if route.stage == "retired" or len(route.backend_refs or ()) == 2:
        return
    for key in ("mirror", "override", "fallback", "rollout"):
        if getattr(route, key) is not None:
            text = f"`{key}` speaks of the other backend, and the route has not two"
            hint = "name two in `backend_refs`, or leave it out"
            yield Fault((key,), text, hint, on_key=True)


def _rollout(route: StagedRoute) -> Iterator[Fault]:
    if route.rollout is not None and route.stage is None:
        hint = "add `stage:`"
        yield Fault(("rollout",), "a rollout of a route without a stage", hint, on_key=True)


def format_share(scaled: int, scale: int = 100) -> int | float:
    """The number as it is written in the file, without decimals if it is whole."""
    return scaled // scale if scaled % scale == 0 else scaled / scale


StageRule = Callable[[StagedRoute], Iterator[Fault]]

STAGE_RULES: tuple[tuple[frozenset[str], StageRule], ...] = (
    (frozenset((*_DESTINATIONS, "stage", "name")), _one_destination),
    (frozenset(("stage", "retired")), _retired),
    (frozenset(("backend_refs",)), _weights),
    (frozenset(("backend_refs", "stage")), _stage),
    (frozenset(("backend_refs", "stage")), _two_sides),
    (frozenset(("stage", "rollout")), _rollout),
)
"""Each with the keys that it is about."""
