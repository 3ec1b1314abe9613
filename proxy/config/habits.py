"""Warnings for the syntax of other proxies, which has no meaning here and is taken as it is written."""

import re
from collections.abc import Iterator, Mapping

from proxy.config.documents.headers import MessageDoc
from proxy.config.documents.matches import MatchPartsDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault, quoted
from proxy.config.tree import Loc

# `$name` and `${name}` of nginx and of shells, `%NAME%` and `%NAME(x)%` of Envoy.
_VARIABLE = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|%[A-Z][A-Z0-9_]*(?:\([^)%]*\))?%")
_TAIL = "/**"


def wildcard_warnings(match: MatchPartsDoc, at: Loc) -> Iterator[Fault]:
    """A warning for each `*` in a path, where it is a plain character."""
    path = match.path
    if path is None:
        return
    for key, value in (
        ("prefix", path.prefix),
        ("exact", path.exact),
        ("template", (path.template or "").removesuffix(_TAIL)),
    ):
        if value and "*" in value:
            text = f"`*` is a plain character in the path {quoted(value)}"
            yield Fault((*at, "path", key), text, _instead(key, value), "warning")


def _instead(key: str, value: str) -> str:
    before = value.rstrip("/*") or "/"
    if "*" in before:
        return "write `template:` with {name} for one segment"
    if key == "prefix":
        return f"write {before}: a prefix takes everything below it by itself"
    return f"write `prefix: {before}` for everything below it" if key == "exact" else "write {name}"


def variable_warnings(route: RouteDoc) -> Iterator[Fault]:
    """A warning for each header value with a variable of another proxy."""
    yield from _in_message(route.request, ("request",))
    yield from _in_message(route.response, ("response",))
    for position, ref in enumerate(route.backend_refs or ()):
        yield from _in_message(ref.request, ("backend_refs", position, "request"))
        yield from _in_message(ref.response, ("backend_refs", position, "response"))
    if route.direct_response is not None:
        yield from _in_values(route.direct_response.headers, ("direct_response", "headers"))


def _in_message(message: MessageDoc, at: Loc) -> Iterator[Fault]:
    yield from _in_values(message.headers.set, (*at, "headers", "set"))
    yield from _in_values(message.headers.add, (*at, "headers", "add"))


def _in_values(values: Mapping[str, str], at: Loc) -> Iterator[Fault]:
    for name, value in values.items():
        found = _VARIABLE.search(value)
        if found is not None:
            text = f"{quoted(found[0])} is no variable here: it is sent as it is written"
            hint = "write a value in braces, such as {client}, or the value itself"
            yield Fault((*at, name), text, hint, "warning")
