"""What a route takes: hosts, path, methods, headers, query parameters, cookies. Nouns, as in `proxy.model`."""

from typing import Literal

from msgspec import Struct


class StringMatch(Struct, frozen=True):
    """How a header, query parameter or cookie has to look. `present` wants `value` "true" or "false"."""

    name: str
    kind: Literal["exact", "prefix", "regex", "present"]
    value: str


class PathMatch(Struct, frozen=True):
    """`value` is written decoded. A regex (RE2) has to match the whole path."""

    kind: Literal["exact", "prefix", "template", "regex"]
    value: str
    ignore_trailing_slash: bool = False
    params: tuple[tuple[str, str], ...] = ()
    """Template parameters with the regex that each has to match as a whole."""


class Match(Struct, frozen=True):
    """All of it has to hold. An empty part takes everything."""

    hosts: tuple[str, ...] = ()
    """In lower case, without port; `*.example.com` takes any number of labels in front."""
    path: PathMatch | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[StringMatch, ...] = ()
    query: tuple[StringMatch, ...] = ()
    cookies: tuple[StringMatch, ...] = ()
