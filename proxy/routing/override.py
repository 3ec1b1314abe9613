"""The choice of a backend by an authorised client: deployed, not released. Pure.

A client of a trusted network sends the name of a backend, any other client a token: `BACKEND:EXPIRES:SIGNATURE`, with
the end of its validity in seconds since the epoch. A token is for one route. What is no valid choice is ignored.
"""

from proxy.model import Facts, Moment, Route, RouteTable, SigningKey
from proxy.routing.predicates import cookie_values, header_values
from proxy.routing.signatures import is_signature, signature

_PURPOSE = "override"
# Bounds of what a stranger can make the facade compute.
_MAX_VALUES = 4
_MAX_LENGTH = 512
_MAX_DIGITS = 12


def override_token(key: SigningKey, route: str, backend: str, expires_s: int) -> str:
    """The token with which a client chooses `backend` on `route` until `expires_s`, in seconds since the epoch."""
    signed = signature(key, _PURPOSE, route, backend, str(expires_s))
    return f"{backend}:{expires_s}:{signed}"


def overridden(table: RouteTable, route: Route, facts: Facts, moment: Moment) -> int | None:
    """The index of the reference that the client has chosen. None without a valid choice, and under the kill switch."""
    override = route.override
    if override is None or table.kill_switch:
        return None
    known = moment.known.override
    backends = [ref.backend for ref in route.backend_refs]
    if known is not None:
        return backends.index(known) if known in backends else None
    values = (header_values if override.kind == "header" else cookie_values)(facts, override.name)
    if not values:
        return None
    trusted = facts.client in override.allow_from
    for value in values[:_MAX_VALUES]:
        backend, colon, rest = value[:_MAX_LENGTH].partition(":")
        if backend not in backends:
            continue
        if _is_token(table, route, backend, rest, moment.now_s) if colon else trusted:
            return backends.index(backend)
    return None


def _is_token(table: RouteTable, route: Route, backend: str, rest: str, now_s: float) -> bool:
    """Whether `rest`, what follows the backend in a token, is valid. Not without the key."""
    override = route.override
    key = None if override is None else table.keys.get(override.token_key_file or "")
    expires, _, candidate = rest.partition(":")
    if key is None or not (expires.isascii() and expires.isdigit()) or len(expires) > _MAX_DIGITS:
        return False
    return now_s < int(expires) and is_signature(
        candidate, key, _PURPOSE, route.name, backend, expires
    )
