"""The match of a route: hosts, path, methods, headers, query parameters, cookies."""

from typing import Literal

from msgspec import Struct


class StringMatch(Struct, frozen=True):
    """A match of a header, query parameter or cookie. For `present` the value is "true" or "false"."""

    name: str
    kind: Literal["exact", "prefix", "regex", "present"]
    value: str
    members: bool = False
    """Each member of a list header is compared (RFC 9110 5.6.1), not the whole value."""


class PathMatch(Struct, frozen=True):
    """A match of the path. `value` is decoded. A regex (RE2) has to match the whole path."""

    kind: Literal["exact", "prefix", "template", "regex"]
    value: str
    ignore_trailing_slash: bool = False
    params: tuple[tuple[str, str], ...] = ()
    """Template parameters, each with the regex that its whole value has to match."""
    ignore_case: bool = False
    tail: bool = False
    """A template that ends in `/**`, which `value` lacks: it matches everything below, too, as a prefix does."""

    @property
    def is_open(self) -> bool:
        """Whether more segments may follow."""
        return self.tail or self.kind == "prefix"


class Match(Struct, frozen=True):
    """One alternative of a route. Every part has to match. An empty part matches every request."""

    hosts: tuple[str, ...] = ()
    """In lower case, without port. `*.example.com` matches one or more labels in front."""
    path: PathMatch | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[StringMatch, ...] = ()
    query: tuple[StringMatch, ...] = ()
    cookies: tuple[StringMatch, ...] = ()
    scheme: Literal["http", "https"] | None = None
    """The scheme of the client's request: that of the connection, or the one that a trusted proxy reports."""
    excluded: tuple["Match", ...] = ()
    """What any of these takes is not taken (`not`)."""
