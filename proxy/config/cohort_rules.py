"""Rules between a route and its cohort."""

from collections.abc import Iterator, Mapping

from proxy.config.documents.backends import CohortDoc, HashKeyDoc
from proxy.config.documents.matches import MatchDoc, StringMatchDoc, parameters
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault


def cohort_faults(route: RouteDoc, cohorts: Mapping[str, CohortDoc]) -> Iterator[Fault]:
    """A cohort of which no request of the route can have a key. `cohorts` are the valid ones."""
    cohort = cohorts.get(route.cohort or "")
    if cohort is None:
        return
    reasons = [_impossible_in_all(route.match, key) for key in cohort.hash_policy]
    if all(reasons):
        text = f"no request of this route can have a key of the cohort `{route.cohort}`"
        hint = f"{reasons[0]}: add a key that it can have, or name another cohort"
        yield Fault(("cohort",), text, hint)


def _impossible_in_all(matches: list[MatchDoc], key: HashKeyDoc) -> str:
    """Why no request of the route can have this key; empty if one can."""
    reasons = [_impossible(match, key) for match in matches]
    return reasons[0] if all(reasons) else ""


def _impossible(match: MatchDoc, key: HashKeyDoc) -> str:
    """Why no request that the match takes can have this key; empty if one can."""
    if key.path_parameter is not None:
        names = parameters((match.path.template if match.path is not None else None) or "")
        present = key.path_parameter in names
        return "" if present else f"its match has no path parameter `{key.path_parameter}`"
    if key.header is not None and _is_absent(match.headers.get(key.header)):
        return f"its match excludes the header `{key.header}`"
    if key.cookie is not None and not key.generate and _is_absent(match.cookies.get(key.cookie)):
        return f"its match excludes the cookie `{key.cookie}`"
    return ""


def _is_absent(match: StringMatchDoc | None) -> bool:
    return match is not None and match.present is False
