"""Rule 2 and the meaning of a match, written down once more: simple, slow, and without the product's code."""

import re

from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch

Key = tuple[object, ...]


def first_match(routes: list[Route], request: Facts) -> tuple[Route, Match] | None:
    """Sorts what matches by the key of rule 2, and takes the first."""
    host = request.host.decode()
    found = [
        (key(route.priority, match, pattern, (position, number)), route, match)
        for position, route in enumerate(routes)
        for number, match in enumerate(route.matches)
        for pattern in match.hosts or ("",)
        if host_fits(pattern, host) and holds(match, request)
    ]
    return min(found, key=lambda each: each[0])[1:] if found else None


def key(priority: int, match: Match, host: str, position: tuple[int, int]) -> Key:
    """The lowest goes first."""
    return (
        -priority,
        *host_key(host),
        *path_key(match.path),
        not match.methods,
        match.scheme is None,
        -len(match.headers),
        -len(match.query),
        -len(match.cookies),
        -len(match.excluded),
        position,
    )


def host_key(host: str) -> Key:
    kind = ["exact", "wildcard", "none"].index(
        "none" if not host else "wildcard" if host.startswith("*.") else "exact"
    )
    return (kind, -host.count("."))


def path_key(path: PathMatch | None) -> Key:
    if path is None:
        return (3, 0, "", False)
    if path.kind == "exact":
        return (0, 0, "", path.ignore_case)
    if path.kind == "regex":
        return (2, 0, "", False)
    segments = [segment for segment in path.value.split("/") if segment]
    literals = sum(not segment.startswith("{") for segment in segments)
    # a: literal, b: parameter, c: the end, d: whatever comes. What is certain earlier goes first.
    shape = "".join("b" if segment.startswith("{") else "a" for segment in segments)
    return (1, -literals, shape + ("d" if path.is_open else "c"), path.ignore_case)


def holds(wanted: Match, request: Facts) -> bool:
    """Whether a match takes a request."""
    host, path = request.host.decode(), request.path.decode()
    if wanted.hosts and not any(host_fits(each, host) for each in wanted.hosts):
        return False
    if wanted.methods and request.method not in wanted.methods:
        return False
    if wanted.scheme is not None and request.scheme != wanted.scheme:
        return False
    if any(holds(excluded, request) for excluded in wanted.excluded):
        return False
    query = dict(pair.split("=") for pair in request.query.decode().split("&") if pair)
    cookies = dict(
        pair.split("=")
        for name, value in request.headers
        if name == b"cookie"
        for pair in value.decode().split("; ")
    )
    headers = {name.decode(): value.decode() for name, value in request.headers}
    for conditions, values in (
        (wanted.headers, headers),
        (wanted.query, query),
        (wanted.cookies, cookies),
    ):
        for condition in conditions:
            if values.get(condition.name) != condition.value:
                return False
    return wanted.path is None or fits(wanted.path, path)


def host_fits(pattern: str, host: str) -> bool:
    if not pattern:
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern


def fits(wanted: PathMatch, path: str) -> bool:
    if wanted.kind == "regex":
        return re.fullmatch(wanted.value, path) is not None
    written = re.sub(r"\{.*?\}", "[^/]+", wanted.value)
    if wanted.kind == "prefix" or wanted.tail:
        written = written.rstrip("/") + "(/.*)?"
    elif wanted.ignore_trailing_slash:
        written = written.rstrip("/") + "/?"
    flags = re.IGNORECASE if wanted.ignore_case else re.NOFLAG
    return re.fullmatch(written, path, flags) is not None
