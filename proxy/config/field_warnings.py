"""Warnings for header fields of clients that do not pass (rule 14): a rule that reads one is probably a mistake."""

from collections.abc import Iterator, Sequence

from proxy.config.documents.headers import AllowHeadersDoc
from proxy.config.documents.matches import MatchPartsDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault
from proxy.config.tree import Loc
from proxy.routing.transforms.headers import belongs_to_connection, is_dropped

_ALLOWED = "add it to `defaults.forwarded.allow_headers`"
# Matched to tell WebSocket handshakes apart, which pass.
_OF_HANDSHAKES = frozenset(("upgrade", "connection"))


def match_fields(match: MatchPartsDoc, at: Loc, allowed: frozenset[str]) -> Iterator[Fault]:
    """The fields of a match. `allowed` are the names in `forwarded.allow_headers`."""
    for name in match.headers:
        if name not in _OF_HANDSHAKES:
            yield from _dropped(name, allowed, (*at, "headers", name), on_key=True)


def cors_fields(route: RouteDoc, allowed: frozenset[str]) -> Iterator[Fault]:
    """The request fields that pages may send."""
    for position, name in enumerate(route.cors.allow_headers if route.cors is not None else ()):
        yield from _dropped(name, allowed, ("cors", "allow_headers", position))


def backend_fields(doc: AllowHeadersDoc, at: Loc, allowed: frozenset[str]) -> Iterator[Fault]:
    """The fields that a backend may see."""
    for position, name in enumerate(doc.allow or ()):
        yield from _dropped(name, allowed, (*at, "headers", "allow", position))


def allowed_fields(names: Sequence[str]) -> Iterator[Fault]:
    """The fields of `forwarded.allow_headers`."""
    for position, name in enumerate(names):
        if belongs_to_connection(name):
            at = ("defaults", "forwarded", "allow_headers", position)
            text = f"the header `{name}` belongs to the connection: it never passes"
            yield Fault(at, text, "leave it out", "warning")


def _dropped(name: str, allowed: frozenset[str], at: Loc, on_key: bool = False) -> Iterator[Fault]:
    if belongs_to_connection(name):
        text = f"the header `{name}` belongs to the connection: it does not pass"
        yield Fault(at, text, "leave it out", "warning", on_key)
    elif is_dropped(name, allowed):
        if "_" in name:
            text = f"the header `{name}` has an underscore: such headers do not pass"
            hint = f"write {name.replace('_', '-')}, or {_ALLOWED}"
        else:
            text = f"the header `{name}` does not pass: any client may write it"
            hint = f"use another, or {_ALLOWED}"
        yield Fault(at, text, hint, "warning", on_key)
