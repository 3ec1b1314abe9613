"""Requests that a match takes, as examples for warnings and searches."""

from collections.abc import Sequence
from urllib.parse import urlencode

import re2

from proxy.model import Facts
from proxy.model.match import Match, StringMatch
from proxy.routing.paths import is_parameter, segments_of

_EXAMPLES = ("x", "1")
"""Segments and values for what a match leaves open."""
_ANY_LABEL = "any"
"""In place of the star of a host."""


def segment_choices(match: Match) -> list[tuple[str, ...]] | None:
    """For each segment of the path the segments that match it, a `{name}` last for any. None for a regex."""
    path = match.path
    if path is None:
        return []
    if path.kind == "regex":
        return None
    is_prefix = path.kind == "prefix"
    segments = segments_of(path.value) if is_prefix else path.value.split("/")[1:]
    return [_choices_of(segment, dict(path.params)) for segment in segments]


def _choices_of(segment: str, rules: dict[str, str]) -> tuple[str, ...]:
    if not is_parameter(segment):
        return (segment,)
    rule = rules.get(segment[1:-1])
    fitting = (each for each in _EXAMPLES if rule is None or re2.fullmatch(rule, each))
    return (*fitting, segment)


def path_of(match: Match) -> str | None:
    """A path that a match takes; None for a regex."""
    choices = segment_choices(match)
    return None if choices is None else "/" + "/".join(options[0] for options in choices)


def host_of(match: Match) -> str:
    """A host that a match takes."""
    return with_label(match.hosts[0]) if match.hosts else "www.example"


def with_label(host: str) -> str:
    """A host of a wildcard."""
    return host.replace("*", _ANY_LABEL)


def request_of(one: Match, other: Match, host: str, path: str) -> Facts:
    """A request with what both matches ask for."""
    methods = [each for each in one.methods if each in (other.methods or (each,))]
    method = (methods or [*other.methods, "GET"])[0]
    headers = _values(one.headers, other.headers)
    cookies = _values(one.cookies, other.cookies)
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    if cookies:
        pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
        fields.append((b"cookie", pairs.encode()))
    query = urlencode(_values(one.query, other.query))
    scheme = one.scheme or other.scheme or "http"
    return Facts(method, host.encode(), path.encode(), query.encode(), fields, "", scheme)


def _values(*matches: Sequence[StringMatch]) -> dict[str, str]:
    return {
        each.name: each.value if each.kind in ("exact", "prefix") else _EXAMPLES[1]
        for several in matches
        for each in several
        if (each.kind, each.value) != ("present", "false")
    }
