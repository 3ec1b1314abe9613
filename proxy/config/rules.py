"""Rules between the keys of a route, and between a route and the rest of the table."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from proxy.config.documents.matches import parameters
from proxy.config.documents.routes import BackendRefDoc, RouteDoc
from proxy.config.faults import Fault, did_you_mean
from proxy.config.tree import Loc
from proxy.config.units import format_share
from proxy.model import ALL_BP
from proxy.routing.paths import TAIL

_DESTINATIONS = ("backend_refs", "direct_response", "redirect")


class DeclaredNames(Struct, frozen=True):
    """The names that routes may refer to, in file order."""

    backends: dict[str, None]
    cohorts: dict[str, None]


def reference_faults(value: dict[str, Any], declared: DeclaredNames) -> Iterator[Fault]:
    """Unknown names in a route. `value` is the long form of the route, and may have other faults."""
    refs = value.get("backend_refs")
    for position, ref in enumerate(refs if isinstance(refs, list) else ()):
        name = ref.get("name") if isinstance(ref, dict) else None
        if isinstance(name, str) and name not in declared.backends:
            hint = did_you_mean(name, declared.backends) or "add it under `backends:`"
            yield Fault(("backend_refs", position, "name"), f"there is no backend `{name}`", hint)
    cohort = value.get("cohort")
    if isinstance(cohort, str) and cohort not in declared.cohorts:
        hint = did_you_mean(cohort, declared.cohorts) or "add it under `cohorts:`"
        yield Fault(("cohort",), f"there is no cohort `{cohort}`", hint)


def route_faults(route: RouteDoc, wrong_keys: frozenset[str]) -> Iterator[Fault]:
    """The broken rules between keys. A rule is skipped if one of its keys is invalid by itself."""
    for keys, rule in _RULES:
        if wrong_keys.isdisjoint(keys):
            yield from rule(route)


def _one_destination(route: RouteDoc) -> Iterator[Fault]:
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


def _retired(route: RouteDoc) -> Iterator[Fault]:
    if route.retired is not None and route.stage != "retired":
        hint = "write `stage: retired`, or leave it out"
        yield Fault(("retired",), "`retired` on a route that is not", hint, on_key=True)


def _weights(route: RouteDoc) -> Iterator[Fault]:
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


def _stage(route: RouteDoc) -> Iterator[Fault]:
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


def _newcomer(stage: str, ref: BackendRefDoc) -> Iterator[Fault]:
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


def _rewrites(route: RouteDoc) -> Iterator[Fault]:
    for position, ref in enumerate(route.backend_refs or ()):
        change = ref.url_rewrite.path if ref.url_rewrite is not None else None
        at = ("backend_refs", position, "url_rewrite", "path")
        if change is None:
            continue
        if change.replace_prefix_match is not None:
            hint = "write `match: {path: {prefix: …}}`, or use `replace_full_path`"
            yield from _needs_prefix(route, (*at, "replace_prefix_match"), hint)
        if change.template is not None:
            yield from _needs_parameters(route, change.template, (*at, "template"))
    if route.redirect is not None and route.redirect.replace_prefix_match is not None:
        hint = "write `match: {path: {prefix: …}}`, or use `path`"
        yield from _needs_prefix(route, ("redirect", "replace_prefix_match"), hint)


def _needs_prefix(route: RouteDoc, at: Loc, hint: str) -> Iterator[Fault]:
    """Every match of the route has to have a prefix: any of them may take a request."""
    for number, match in enumerate(route.match, 1):
        if match.path is None or match.path.prefix is None:
            what = f"match {number} has" if len(route.match) > 1 else "the route matches"
            text = f"`replace_prefix_match`, and {what} no prefix"
            yield Fault(at, text, hint, on_key=True)
            return


def _needs_parameters(route: RouteDoc, template: str, at: Loc) -> Iterator[Fault]:
    """Every match of the route has to have all parameters of a rewrite."""
    missing: set[str] = set()
    for number, match in enumerate(route.match, 1):
        names = parameters((match.path.template if match.path is not None else None) or "")
        what = f"match {number}" if len(route.match) > 1 else "the route's match"
        for name in parameters(template):
            if name not in names and name not in missing:
                missing.add(name)
                hint = did_you_mean(name, names) or "write `match: {path: {template: …}}`"
                yield Fault(at, f"{what} has no parameter `{name}`", hint)
        if template.endswith(TAIL) and not (match.path is not None and match.path.has_tail()):
            hint = 'write `match: {path: {template: "/…/**"}}`, or leave /** out'
            yield Fault(at, f"{what} has no tail for `/**`", hint)
            return


def _two_sides(route: RouteDoc) -> Iterator[Fault]:
    """The keys about "the other backend" need a route with two."""
    if route.stage == "retired" or len(route.backend_refs or ()) == 2:
        return
    for key in ("mirror", "override", "fallback", "rollout"):
        if getattr(route, key) is not None:
            text = f"`{key}` speaks of the other backend, and the route has not two"
            hint = "name two in `backend_refs`, or leave it out"
            yield Fault((key,), text, hint, on_key=True)


def _not_ok_trigger(route: RouteDoc) -> Iterator[Fault]:
    if route.fallback is not None and route.response_ok is None:
        for position, trigger in enumerate(route.fallback.triggers):
            if trigger == "not_ok":
                hint = "add `response_ok:`, which says what is ok"
                yield Fault(("fallback", "triggers", position), "`not_ok` without a meaning", hint)


def _rollout(route: RouteDoc) -> Iterator[Fault]:
    if route.rollout is not None and route.stage is None:
        hint = "add `stage:`"
        yield Fault(("rollout",), "a rollout of a route without a stage", hint, on_key=True)


Rule = Callable[[RouteDoc], Iterator[Fault]]

_RULES: tuple[tuple[frozenset[str], Rule], ...] = (
    (frozenset((*_DESTINATIONS, "stage", "name")), _one_destination),
    (frozenset(("stage", "retired")), _retired),
    (frozenset(("backend_refs",)), _weights),
    (frozenset(("backend_refs", "stage")), _stage),
    (frozenset(("backend_refs", "match", "redirect")), _rewrites),
    (frozenset(("backend_refs", "stage")), _two_sides),
    (frozenset(("fallback", "response_ok")), _not_ok_trigger),
    (frozenset(("stage", "rollout")), _rollout),
)
