"""Rules between the keys of a route, and between a route and the rest of the table."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault, did_you_mean
from proxy.config.recovery_rules import not_ok_faults, repeated_write_faults
from proxy.config.stage_rules import STAGE_RULES
from proxy.config.to_mirror import mirror_faults
from proxy.config.tree import Loc
from proxy.config.value_rules import cors_faults, parameter_faults
from proxy.routing.paths import TAIL


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
            yield from _needs_tail(route, change.template, (*at, "template"))
    if route.redirect is not None and route.redirect.template is not None:
        yield from _needs_tail(route, route.redirect.template, ("redirect", "template"))
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


def _needs_tail(route: RouteDoc, template: str, at: Loc) -> Iterator[Fault]:
    """Every match of the route has to have a tail, if a rewrite has one."""
    for number, match in enumerate(route.match, 1):
        what = f"match {number}" if len(route.match) > 1 else "the route's match"
        if template.endswith(TAIL) and not (match.path is not None and match.path.has_tail()):
            hint = 'write `match: {path: {template: "/…/**"}}`, or leave /** out'
            yield Fault(at, f"{what} has no tail for `/**`", hint)
            return


def _mirror_steps(route: RouteDoc) -> Iterator[Fault]:
    if route.rollout is not None and route.mirror is None:
        for position, step in enumerate(route.rollout.steps):
            if step.set_mirror is not None:
                at: Loc = ("rollout", "steps", position, "set_mirror")
                text = "a step changes the copies, and the route has no `mirror`"
                yield Fault(at, text, "add `mirror: {percent: 0}`", on_key=True)


Rule = Callable[[RouteDoc], Iterator[Fault]]

_RULES: tuple[tuple[frozenset[str], Rule], ...] = (
    *STAGE_RULES,
    (frozenset(("backend_refs", "match", "redirect")), _rewrites),
    (frozenset(("fallback", "response_ok")), not_ok_faults),
    (frozenset(("fallback", "match", "retry", "writes")), repeated_write_faults),
    (frozenset(("mirror", "rollout")), _mirror_steps),
    (frozenset(("mirror", "match", "writes")), mirror_faults),
    (frozenset(("backend_refs", "response", "cors")), cors_faults),
    (
        frozenset(("backend_refs", "match", "redirect", "request", "response")),
        parameter_faults,
    ),
)
