"""What a route asks of a request beside host and literal path: small tests that can say why they fail."""

from collections.abc import Callable, Iterator
from typing import Literal, Protocol, assert_type
from urllib.parse import unquote_plus

import re2
from msgspec import Struct

from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.paths import is_parameter, segments_of

Looks = Callable[[list[str]], bool]
"""Whether the values that a name has (none, one, or several) look as asked."""


class Predicate(Protocol):
    """One thing that has to hold. `path` is the reading of the path that is being matched."""

    def holds(self, facts: Facts, path: bytes) -> bool: ...

    def failure(self, facts: Facts, path: bytes) -> str:
        """Why it does not hold, for `explain`."""
        ...


class _Methods(Struct, frozen=True):
    methods: frozenset[str]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return facts.method in self.methods

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"method {facts.method} is none of {', '.join(sorted(self.methods))}"


class _Parameter(Struct, frozen=True):
    """The segment at `position` has to look like `regex`."""

    name: str
    position: int
    regex: str
    fits: Callable[[bytes], object]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return bool(self.fits(path.split(b"/")[self.position + 1]))

    def failure(self, facts: Facts, path: bytes) -> str:
        value = path.split(b"/")[self.position + 1]
        return f"path parameter {self.name} is {text(value)!r}, not {self.regex}"


class _PathRegex(Struct, frozen=True):
    regex: str
    fits: Callable[[bytes], object]

    def holds(self, facts: Facts, path: bytes) -> bool:
        return bool(self.fits(path))

    def failure(self, facts: Facts, path: bytes) -> str:
        return f"path {text(path)} does not match the regex {self.regex}"


class _Value(Struct, frozen=True):
    """A header, query parameter or cookie that has to look in a certain way."""

    what: str
    wanted: StringMatch
    values: Callable[[Facts, str], list[str]]
    looks: Looks

    def holds(self, facts: Facts, path: bytes) -> bool:
        return self.looks(self.values(facts, self.wanted.name))

    def failure(self, facts: Facts, path: bytes) -> str:
        values = self.values(facts, self.wanted.name)
        name = f"{self.what} {self.wanted.name}"
        if self.wanted.kind == "present":
            return f"{name} is {'there' if values else 'missing'}"
        if not values:
            return f"{name} is missing"
        # Not what the client sent: a header or cookie may hold a secret, and this text is shown.
        return f"{name} does not match {self.wanted.kind} {self.wanted.value!r}"


def predicates_of(route: Route) -> tuple[Predicate, ...]:
    """All of a route's predicates, in the order in which `explain` names the first that fails."""
    wanted = route.match
    made: list[Predicate] = []
    if wanted.path is not None:
        made += _path_predicates(wanted.path)
    if wanted.methods:
        made.append(_Methods(frozenset(wanted.methods)))
    made += [_Value("header", each, header_values, _looks(each)) for each in wanted.headers]
    made += [_Value("query parameter", each, query_values, _looks(each)) for each in wanted.query]
    made += [_Value("cookie", each, cookie_values, _looks(each)) for each in wanted.cookies]
    return tuple(made)


def _path_predicates(path: PathMatch) -> Iterator[Predicate]:
    if path.kind == "regex":
        yield _PathRegex(path.value, re2.compile(path.value.encode()).fullmatch)
    constraints = dict(path.params)
    for position, segment in enumerate(segments_of(path.value)):
        name = segment[1:-1]
        if is_parameter(segment) and name in constraints:
            fits = re2.compile(constraints[name].encode()).fullmatch
            yield _Parameter(name, position, constraints[name], fits)


def _looks(wanted: StringMatch) -> Looks:
    value = wanted.value
    kind = wanted.kind
    match kind:
        case "present":
            return lambda values: bool(values) == (value == "true")
        case "exact":
            return lambda values: value in values
        case "prefix":
            return lambda values: any(each.startswith(value) for each in values)
        case _:
            assert_type(kind, Literal["regex"])  # A kind more is told by the type checker.
            fits = re2.compile(value).fullmatch
            return lambda values: any(fits(each) for each in values)


# --- what a name has in a request ---------------------------------------------------------------


def header_values(facts: Facts, name: str) -> list[str]:
    """Every value of a header; `name` in lower case."""
    wanted = name.encode()
    return [text(value) for key, value in facts.headers if key == wanted]


def query_values(facts: Facts, name: str) -> list[str]:
    """Every value of a query parameter, decoded."""
    found = []
    for pair in facts.query.split(b"&") if facts.query else ():
        key, _, value = pair.partition(b"=")
        if unquote_plus(text(key)) == name:
            found.append(unquote_plus(text(value)))
    return found


def cookie_values(facts: Facts, name: str) -> list[str]:
    """Every value of a cookie, as sent (RFC 6265 5.4)."""
    found = []
    for key, value in facts.headers:
        if key == b"cookie":
            for pair in text(value).split(";"):
                cookie, equals, content = pair.strip().partition("=")
                if equals and cookie == name:
                    found.append(content)
    return found


def text(raw: bytes) -> str:
    """Bytes of a request as text that can be shown and compared; what is no UTF-8 is kept as escapes."""
    return raw.decode("utf-8", "backslashreplace")


def describe(wanted: Match) -> str:
    """A match in one line, as a person reads it."""
    parts = []
    if wanted.hosts:
        parts.append(f"host {' or '.join(wanted.hosts)}")
    if wanted.path is not None:
        slash = " (slash or not)" if wanted.path.ignore_trailing_slash else ""
        parts.append(f"path {wanted.path.kind} {wanted.path.value}{slash}")
    if wanted.methods:
        parts.append(f"method {' or '.join(wanted.methods)}")
    named = (("header", wanted.headers), ("query", wanted.query), ("cookie", wanted.cookies))
    for what, values in named:
        parts += [f"{what} {each.name} {each.kind} {each.value}" for each in values]
    return ", ".join(parts) or "everything"
