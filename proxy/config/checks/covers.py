"""Whether one match takes everything that another one takes. True only where that is certain."""

from collections.abc import Iterator, Sequence

import re2

from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.paths import is_parameter, segments_of, without_case

ValueMatch = tuple[str, StringMatch]
"""A condition, and whether it is one of a header, of the query or of a cookie."""
# Each matches every path: a path starts with a slash and has no control characters, which a dot does not match.
_ANY_PATH = frozenset((".*", "/.*", ".+", "/?.*", "(.*)", "/(.*)"))


def covers(upper: Match, lower: Match) -> bool:
    """Whether `upper` takes everything that `lower` takes, hosts aside: the keys have them."""
    return (
        _methods_cover(upper.methods, lower.methods)
        and upper.scheme in (None, lower.scheme)
        and _path_covers(upper.path, lower.path)
        and _values_cover(upper, lower)
        and all(any(takes_all(mine, other) for mine in lower.excluded) for other in upper.excluded)
    )


def takes_all(upper: Match, lower: Match) -> bool:
    """Whether `upper` takes everything that `lower` takes, hosts included."""
    hosts = not upper.hosts or (
        bool(lower.hosts)
        and all(any(each in upper.hosts for each in hosts_above(host)) for host in lower.hosts)
    )
    return hosts and covers(upper, lower)


def _methods_cover(upper: Sequence[str], lower: Sequence[str]) -> bool:
    return not upper or (bool(lower) and set(upper) >= set(lower))


def _values_cover(upper: Match, lower: Match) -> bool:
    given = list(value_matches(lower))
    return all(any(_implies(each, match) for each in given) for match in value_matches(upper))


def _implies(given: ValueMatch, implied: ValueMatch) -> bool:
    """Whether every request that matches `given` matches `implied`."""
    if given == implied:
        return True
    (kind, lower), (other_kind, upper) = given, implied
    if kind != other_kind or lower.name != upper.name or lower.kind == "present":
        return False
    if upper.kind == "present":
        return upper.value == "true"
    if upper.members != lower.members:
        return False
    if upper.kind == "prefix":
        return lower.kind in ("exact", "prefix") and lower.value.startswith(upper.value)
    if upper.kind != "regex" or lower.kind != "exact":
        return False
    return _regex_matches(upper.value, lower.value)


def _path_covers(upper: PathMatch | None, lower: PathMatch | None) -> bool:
    if upper is None or matches_every_path(upper):
        return True
    if lower is None or lower.kind == "regex" or upper.kind == "regex":
        return upper == lower or (
            upper.kind == "regex"
            and lower is not None
            and lower.kind == "exact"
            and not _has_variants(lower, lower.value)
            and all(_regex_matches(upper.value, path) for path in _paths_of(lower))
        )
    above, below = segments_of(upper.value), segments_of(lower.value)
    if upper.is_open:
        below = below[: len(above)]
    elif lower.is_open or not _slash_covers(upper, lower):
        return False
    return len(above) == len(below) and all(
        _segment_covers(upper, lower, one, other) for one, other in zip(above, below, strict=True)
    )


def matches_every_path(path: PathMatch) -> bool:
    """Whether this is written as a match for every path. Other regexes are not analysed."""
    if path.kind == "regex":
        return path.value.removeprefix("^").removesuffix("$") in _ANY_PATH
    return path.kind == "prefix" and not segments_of(path.value)


def _paths_of(exact: PathMatch) -> tuple[str, ...]:
    if not exact.ignore_trailing_slash:
        return (exact.value,)
    bare = exact.value.rstrip("/")
    return (bare, f"{bare}/") if bare else ("/",)


def _slash_covers(upper: PathMatch, lower: PathMatch) -> bool:
    """Whether the trailing slashes that `lower` takes are those that `upper` takes. Neither is open."""
    if upper.ignore_trailing_slash:
        return True
    slashes = (upper.value.endswith("/"), lower.value.endswith("/"))
    return slashes[0] == slashes[1] and not (
        lower.ignore_trailing_slash and len(_paths_of(lower)) > 1
    )


def _segment_covers(upper: PathMatch, lower: PathMatch, one: str, other: str) -> bool:
    """Whether the segment `one` of `upper` takes all that the segment `other` of `lower` takes."""
    if not is_parameter(one):
        if upper.ignore_case:
            return literal_without_case(one) == literal_without_case(other)
        return one == other and not _has_variants(lower, other)
    rule = dict(upper.params).get(one[1:-1])
    if rule is None:
        return True
    if is_parameter(other):
        return rule == dict(lower.params).get(other[1:-1])
    return not _has_variants(lower, other) and _regex_matches(rule, other)


def _has_variants(path: PathMatch, text: str) -> bool:
    """Whether a literal of a path stands for other spellings, too."""
    return path.ignore_case and text.lower() != text.upper()


def _regex_matches(regex: str, value: str) -> bool:
    return bool(re2.fullmatch(regex.encode(), value.encode()))


def hosts_above(host: str) -> Iterator[str]:
    yield host
    labels = host.removeprefix("*.")
    while "." in labels:
        labels = labels.partition(".")[2]
        yield f"*.{labels}"


def value_matches(match: Match) -> Iterator[ValueMatch]:
    for what, values in (
        ("header", match.headers),
        ("query", match.query),
        ("cookie", match.cookies),
    ):
        for value in values:
            yield what, value


def literal_without_case(segment: str) -> str:
    return segment if is_parameter(segment) else without_case(segment.encode()).decode()
