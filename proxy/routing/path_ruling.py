"""The reading of a path that decides its route. Pure (rule 12, ADR 2).

Theory of operation. Each policy of the table has its own list of readings of a path (`readings_of`), and each reading
leads to a route, or to none. If all readings lead to the same route, it takes the request. Otherwise a route takes it
if all of this holds:

1. A reading that leads to the route counts under its own policy.
2. No reading that leads elsewhere counts under the policy of the route.
3. Each of the others leads nowhere, or does not count under the policy of its own route, or its route would take the
   request in the reading of (1), too, if this route were not there. So a policy settles which of two readings holds
   only against a route that lies behind: it never opens a path that another route protects.

If no route does, the path is ambiguous. No policy applies to a path with dot segments in some reading: every
plausible reading of it counts.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from proxy.errors import AmbiguousPath
from proxy.model import STRICT_PATHS, MatchedRoute, PathPolicy, Route
from proxy.routing.paths import check_path, has_dot_segments, path_variants, readings_of

_ONLY_STRICT = (STRICT_PATHS,)
_ODDITIES = {
    "double_slash": (b"//",),
    "encoded_slash": (b"%2f",),
    "backslash": (b"\\", b"%5c", b"%255c"),
    "raw_bytes": tuple(bytes((each,)) for each in range(0x80, 0x100)),
}


class Reading(Struct, frozen=True):
    """A reading of the path, and the route that it leads to."""

    path: bytes
    matched: MatchedRoute | None
    counts: bool = True
    """Whether it counts under the policy that decided."""


class Ruling(Struct, frozen=True):
    """The route of a path, or the refusal."""

    matched: MatchedRoute | None
    path: bytes
    """The reading that led to the route."""
    readings: tuple[Reading, ...] = ()
    """Every reading that counts under some policy of the table."""
    policy: tuple[str, ...] = ()
    """The fields of the route's policy that matter for this path, as `field: value`."""
    error: AmbiguousPath | None = None


def policies_of(routes: Sequence[Route]) -> tuple[PathPolicy, ...]:
    """The policies of a table, each once. If there are several, the strict one is among them."""
    policies = dict.fromkeys(route.path_policy for route in routes)
    return tuple(policies) if len(policies) == 1 else tuple({STRICT_PATHS: None, **policies})


def rule(
    path: bytes,
    policies: Sequence[PathPolicy],
    find: Callable[[bytes], MatchedRoute | None],
    takes: Callable[[MatchedRoute, bytes], bool],
) -> Ruling:
    """The ruling on a raw path. Raises BadRequest for a path that must not be forwarded.

    `policies` are those of the table, `find` gives the route for a reading, and `takes` says whether a route takes the
    request in a reading, if no other route does.
    """
    if policies == _ONLY_STRICT or has_dot_segments(path):
        found = {each: find(each) for each in path_variants(path)}
        sent, matched = next(iter(found.items()))
        same = all(_is_same_way(matched, other) for other in found.values())
        return Ruling(matched, sent) if same else _ambiguous(found)
    check_path(path, _lenient(policies))
    counting = {policy: readings_of(path, policy) for policy in policies}
    found = {each: find(each) for readings in counting.values() for each in readings}
    only = policies[0] if len(policies) == 1 else None
    case = _Case(found, counting, only, takes)
    for decisive, matched in found.items():
        if case.settles(matched, decisive):
            policy = case.policy_of(matched)
            check_path(path, policy)
            readings = tuple(
                Reading(each, to, case.counts(each, matched)) for each, to in found.items()
            )
            return Ruling(matched, decisive, readings, tuple(_that_matter(path, policy)))
    return _ambiguous(found)


class _Case(Struct, frozen=True):
    """The readings of a path under the policies of a table."""

    found: Mapping[bytes, MatchedRoute | None]
    """Every reading, with the route that it leads to."""
    counting: Mapping[PathPolicy, Collection[bytes]]
    """The readings that count under each policy."""
    only: PathPolicy | None
    """The policy of all routes, if it is the same."""
    takes: Callable[[MatchedRoute, bytes], bool]

    def policy_of(self, matched: MatchedRoute | None) -> PathPolicy:
        if self.only is not None:
            return self.only
        return STRICT_PATHS if matched is None else matched.route.path_policy

    def counts(self, reading: bytes, matched: MatchedRoute | None) -> bool:
        """Whether a reading counts under the policy of the route."""
        return reading in self.counting[self.policy_of(matched)]

    def settles(self, matched: MatchedRoute | None, decisive: bytes) -> bool:
        """Whether `matched` takes the request because `decisive` leads to it."""
        return self.counts(decisive, matched) and all(
            _is_same_way(matched, other)
            or (not self.counts(reading, matched) and self._gives_way(other, reading, decisive))
            for reading, other in self.found.items()
        )

    def _gives_way(self, other: MatchedRoute | None, reading: bytes, decisive: bytes) -> bool:
        return other is None or not self.counts(reading, other) or self.takes(other, decisive)


def _lenient(policies: Sequence[PathPolicy]) -> PathPolicy:
    """A policy that refuses what all of them refuse."""
    return PathPolicy(
        backslash="keep" if any(each.backslash == "keep" for each in policies) else "refuse",
        raw_bytes="keep" if any(each.raw_bytes == "keep" for each in policies) else "refuse",
    )


def _ambiguous(found: Mapping[bytes, MatchedRoute | None]) -> Ruling:
    path, matched = next(iter(found.items()))
    others = (each for each in found.values() if not _is_same_way(matched, each))
    other = next(others, matched)
    error = AmbiguousPath(
        "the path can be read in ways that lead to different routes "
        f"({name_of(matched)}, {name_of(other)}): "
        "send it without encoded slashes, dots, double slashes or path parameters"
    )
    return Ruling(None, path, tuple(Reading(*each) for each in found.items()), error=error)


def _is_same_way(one: MatchedRoute | None, other: MatchedRoute | None) -> bool:
    """Whether a backend is sent the same, whichever of the two takes the request."""
    if one is other:
        return True
    if one is None or other is None or one.route is not other.route:
        return False
    return not _rewrites_by_match(one.route)


def _rewrites_by_match(route: Route) -> bool:
    rewrites = [ref.rewrite for ref in route.backend_refs if ref.rewrite is not None]
    return (route.redirect is not None and route.redirect.prefix is not None) or any(
        rewrite.prefix is not None or rewrite.template is not None for rewrite in rewrites
    )


def name_of(matched: MatchedRoute | None) -> str:
    """The name of the route, with the number of the match if it has several."""
    if matched is None:
        return "none"
    several = len(matched.route.matches) > 1
    return f"{matched.route.name} match {matched.number}" if several else matched.route.name


def _that_matter(path: bytes, policy: PathPolicy) -> Iterator[str]:
    for field, oddities in _ODDITIES.items():
        value = getattr(policy, field)
        if value != "refuse" and any(each in path.lower() for each in oddities):
            yield f"{field}: {value}"
