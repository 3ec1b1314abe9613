"""The counts of routes as they are published and kept: each with the setup that they are about."""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from proxy.comparison.counts import ParityCounts
from proxy.model import Backend, Route


class KeptParity(Struct, frozen=True):
    """The counts of one route."""

    setup: str
    """A hash of what they depend on (`setup_of`). Counts of another setup say nothing about this one."""
    counts: ParityCounts


ByRoute = dict[str, KeptParity]


def setup_of(route: Route, backends: Mapping[str, Backend]) -> str:
    """A hash of the rules of the comparison and of the two backends. Stage, weights and limits are not part of it."""
    compare = None if route.mirror is None else route.mirror.compare
    parts = [repr(compare)]
    for ref in route.backend_refs:
        backend = backends.get(ref.backend)
        endpoints = () if backend is None else backend.endpoints
        parts += [ref.backend, repr(ref.rewrite), repr(endpoints)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def decoded(text: bytes | None) -> ByRoute:
    """The counts in a text; empty if it cannot be read."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=ByRoute)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def member(route: str, kept: Struct) -> bytes:
    """One member of a JSON object with the value of each route."""
    return b"%b:%b" % (msgspec.json.encode(route), msgspec.json.encode(kept))


def of_setups(counts: ByRoute, setups: Mapping[str, str]) -> ByRoute:
    """The counts of these routes, as far as they are about these setups; empty ones for the others."""
    nothing = {route: KeptParity(setup, ParityCounts()) for route, setup in setups.items()}
    return nothing | {
        route: kept for route, kept in counts.items() if setups.get(route) == kept.setup
    }
