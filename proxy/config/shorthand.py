"""Expands short forms. A value of neither form is returned unchanged: validation refuses it."""

from decimal import Decimal
from typing import Any

_REF_KEYS = frozenset(("name", "weight", "url_rewrite", "request", "response"))
_MATCHES = ("headers", "query", "cookies")
_WEIGHTS_OF_STAGE = {"legacy": (100, 0), "shadow": (100, 0), "live": (0, 100), "retired": (100, 0)}


def long_backend(value: Any) -> Any:
    """`http://host` becomes a backend with this URL."""
    return {"url": value} if isinstance(value, str) else value


def long_route(value: Any) -> Any:
    """Expands references by name or as `{name: weight}`, a single match, and matches by exact value."""
    if not isinstance(value, dict):
        return value
    changed = {}
    if "backend_refs" in value:
        refs = _long_refs(value["backend_refs"])
        changed["backend_refs"] = _weighted_by_stage(refs, value.get("stage"))
    match = value.get("match")
    if isinstance(match, dict | list):
        changed["match"] = _long_list(match)
    return {**value, **changed} if changed else value


def _long_list(matches: Any) -> Any:
    if isinstance(matches, dict):
        matches = [matches]
    return list(map(_long_match, matches)) if isinstance(matches, list) else matches


def _long_match(match: Any) -> Any:
    if not isinstance(match, dict):
        return match
    changed = {key: _long_matches(match[key]) for key in _MATCHES if key in match}
    if "not" in match:
        changed["not"] = _long_list(match["not"])
    return match | changed if changed else match


def _long_refs(refs: Any) -> Any:
    if isinstance(refs, str):
        return [{"name": refs, "weight": 100}]
    if isinstance(refs, dict) and not is_one_reference(refs):
        return [{"name": name, "weight": weight} for name, weight in refs.items()]
    if not isinstance(refs, list):
        return refs
    listed = [{"name": ref} if isinstance(ref, str) else ref for ref in refs]
    if len(listed) == 1 and isinstance(listed[0], dict) and "weight" not in listed[0]:
        return [{**listed[0], "weight": 100}]
    return listed


def _weighted_by_stage(refs: Any, stage: Any) -> Any:
    """Incumbent and newcomer without weights get those of the stage. `canary` has none: they have to be given."""
    weights = _WEIGHTS_OF_STAGE.get(stage) if isinstance(stage, str) else None
    if weights is None or not isinstance(refs, list) or len(refs) != 2:
        return refs
    if any(not isinstance(ref, dict) or "weight" in ref for ref in refs):
        return refs
    return [{**ref, "weight": weight} for ref, weight in zip(refs, weights, strict=True)]


def is_one_reference(refs: dict[str, Any]) -> bool:
    """Whether this is one reference in place of a list: `{name: legacy, weight: 100}`."""
    name = refs.get("name")
    return name is not None and not isinstance(name, int | Decimal) and refs.keys() <= _REF_KEYS


def _long_matches(matches: Any) -> Any:
    if not isinstance(matches, dict):
        return matches
    return {
        name: {"exact": match} if isinstance(match, str) else match
        for name, match in matches.items()
    }
