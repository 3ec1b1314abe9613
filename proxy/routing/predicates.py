"""Predicates: the parts of a match beside host and literal path. Each can explain its failure."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, assert_type
from urllib.parse import unquote_plus

import re2
from msgspec import Struct

from proxy.model import Facts
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.cookie_fields import values_of_cookie
from proxy.routing.hosts import host_name, matching_host
from proxy.routing.path_shape import fits
from proxy.routing.paths import is_parameter, segments_of
from proxy.routing.transforms.facade_fields import (
    client_origin,
    is_forwarding,
    values_that_pass,
)

_MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
ValuesMatch = Callable[[list[str]], bool]
"""Whether the values of a name (none, one, or several) match."""


class Predicate(Protocol):
    """One condition of a match. `path` is the variant of the path that is being matched."""

    def holds(self, facts: Facts, path: bytes) -> bool: ...

    def failure(self, facts: Facts, path: bytes) -> str:
        """The reason for a failure, for `explain`."""
        ...


class _Methods(Struct, frozen=True):
    methods: frozenset[str]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return facts.method in self.methods

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"method {facts.method} is none of {', '.join(sorted(self.methods))}"


class _Scheme(Struct, frozen=True):
    scheme: str

    def holds(self, facts: Facts, path: bytes) -> bool:
        return client_origin(facts)[0].decode() == self.scheme

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"scheme {client_origin(facts)[0].decode()} is not {self.scheme}"


class _Excluded(Struct, frozen=True):
    """The opposite of a match."""

    match: Match
    predicates: tuple[Predicate, ...]

    def holds(self, facts: Facts, path: bytes) -> bool:
        hosts, own_path = self.match.hosts, self.match.path
        return not (
            (not hosts or matching_host(hosts, host_name(facts.host)) is not None)
            and (own_path is None or fits(own_path, path))
            and all(predicate.holds(facts, path) for predicate in self.predicates)
        )

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"it is excluded by `not`: {describe(self.match)}"


class _Parameter(Struct, frozen=True):
    """The segment at `position` has to match `regex`."""

    name: str
    position: int
    regex: str
    fullmatch: Callable[[bytes], object]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return bool(self.fullmatch(path.split(b"/")[self.position + 1]))

    def failure(self, facts: Facts, path: bytes) -> str:
        value = path.split(b"/")[self.position + 1]
        return f"path parameter {self.name} is {text(value)!r}, not {self.regex}"


class _PathRegex(Struct, frozen=True):
    regex: str
    fullmatch: Callable[[bytes], object]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return bool(self.fullmatch(path))

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"path {text(path)} does not match the regex {self.regex}"


class _Value(Struct, frozen=True):
    """A condition on the values of a header, query parameter or cookie."""

    kind: str
    match: StringMatch
    values: Callable[[Facts, str], list[str]]
    matches: ValuesMatch

    def holds(self, facts: Facts, path: bytes) -> bool:
        return self.matches(self.values(facts, self.match.name))

    def failure(self, facts: Facts, path: bytes) -> str:
        values = self.values(facts, self.match.name)
        name = f"{self.kind} {self.match.name}"
        if self.match.kind == "present":
            return f"{name} is {'there' if values else 'missing'}"
        if not values:
            return f"{name} is missing"
        # Without the value of the client: a header or cookie may hold a secret, and this text is shown.
        return f"{name} does not match {self.match.kind} {self.match.value!r}"


def predicates_of(match_: Match) -> tuple[Predicate, ...]:
    """The predicates of a match. `explain` shows the first that fails, in this order."""
    predicates: list[Predicate] = []
    if match_.path is not None:
        predicates += _path_predicates(match_.path)
    if match_.methods:
        predicates.append(_Methods(frozenset(match_.methods)))
    if match_.scheme is not None:
        predicates.append(_Scheme(match_.scheme))
    for kind, values, matches in (
        ("header", header_values, match_.headers),
        ("query parameter", query_values, match_.query),
        ("cookie", cookie_values, match_.cookies),
    ):
        predicates += [
            _Value(kind, each, header_members if each.members else values, _values_match(each))
            for each in matches
        ]
    predicates += [_Excluded(each, predicates_of(each)) for each in match_.excluded]
    return tuple(predicates)


def _path_predicates(path: PathMatch) -> Iterator[Predicate]:
    if path.kind == "regex":
        yield _PathRegex(path.value, re2.compile(path.value.encode()).fullmatch)
    constraints = dict(path.params)
    for position, segment in enumerate(segments_of(path.value)):
        name = segment[1:-1]
        if is_parameter(segment) and name in constraints:
            fullmatch = re2.compile(constraints[name].encode()).fullmatch
            yield _Parameter(name, position, constraints[name], fullmatch)


def _values_match(match_: StringMatch) -> ValuesMatch:
    value = match_.value
    kind = match_.kind
    match kind:
        case "present":
            return lambda values: bool(values) == (value == "true")
        case "exact":
            return lambda values: value in values
        case "prefix":
            return lambda values: any(each.startswith(value) for each in values)
        case _:
            assert_type(kind, Literal["regex"])  # The type checker reports a missing kind.
            fullmatch = re2.compile(value).fullmatch
            return lambda values: any(fullmatch(each) for each in values)


# --- the values of a name in a request ----------------------------------------------------------


def header_values(facts: Facts, name: str) -> list[str]:
    """Every value of a header; `name` in lower case. For forwarding fields, those that a backend gets (rule 14)."""
    encoded = name.encode()
    if is_forwarding(encoded):
        return [text(value) for value in values_that_pass(facts, encoded)]
    return [text(value) for key, value in facts.headers if key == encoded]


def header_members(facts: Facts, name: str) -> list[str]:
    """Every member of a list header, with its parameters. Commas in quoted text separate nothing."""
    members = (
        member.strip() for value in header_values(facts, name) for member in _MEMBER.findall(value)
    )
    return [member for member in members if member]


def query_values(facts: Facts, name: str) -> list[str]:
    """Every value of a query parameter, decoded."""
    values = []
    for pair in facts.query.split(b"&") if facts.query else ():
        key, _, value = pair.partition(b"=")
        if unquote_plus(text(key)) == name:
            values.append(unquote_plus(text(value)))
    return values


def cookie_values(facts: Facts, name: str) -> list[str]:
    """Every value of a cookie, as sent (RFC 6265 5.4)."""
    return [text(value) for value in values_of_cookie(facts.headers, name.encode())]


def text(raw: bytes) -> str:
    """Bytes of a request as text for display and comparison. Bytes that are not UTF-8 become escapes."""
    return raw.decode("utf-8", "backslashreplace")


def describe_path(path: PathMatch) -> str:
    """A match of a path in words."""
    slash = " (slash or not)" if path.ignore_trailing_slash else ""
    case = " (in any case)" if path.ignore_case else ""
    tail = "/**" if path.tail else ""
    return f"{path.kind} {path.value}{tail}{slash}{case}"


def describe_all(matches: Sequence[Match]) -> str:
    """The matches of a route as one line of text."""
    return "; or ".join(map(describe, matches))


def describe(match_: Match) -> str:
    """A match as one line of text."""
    parts = []
    if match_.hosts:
        parts.append(f"host {' or '.join(match_.hosts)}")
    if match_.path is not None:
        parts.append(f"path {describe_path(match_.path)}")
    if match_.methods:
        parts.append(f"method {' or '.join(match_.methods)}")
    if match_.scheme is not None:
        parts.append(f"scheme {match_.scheme}")
    named = (("header", match_.headers), ("query", match_.query), ("cookie", match_.cookies))
    for what, values in named:
        parts += [f"{what} {_described(each)}" for each in values]
    parts += [f"not ({describe(each)})" for each in match_.excluded]
    return ", ".join(parts) or "everything"


def _described(match_: StringMatch) -> str:
    member = " member" if match_.members else ""
    return f"{match_.name}{member} {match_.kind} {match_.value}"
