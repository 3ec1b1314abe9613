"""The copy of a request that goes to another backend, or a second time to the one that served it (rule 6). Pure."""

from msgspec.structs import replace

from proxy.http1.connection_login import has_login_credentials
from proxy.model import (
    ALL_BP,
    DEFAULT_MIRROR,
    SAFE_METHODS,
    Backend,
    Body,
    Decision,
    Facts,
    FieldName,
    HeaderPairs,
    Mirror,
    Outgoing,
    Route,
    RouteTable,
    Timeouts,
)
from proxy.routing.decide import decision_for_copy
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.trace_context import Identity
from proxy.routing.transforms.upstream_request import host_for, upstream_target

MIRROR_FIELD = FieldName(b"X-Facade-Mirror")
_MARK = (MIRROR_FIELD, b"1")
# A permutation of the draws that spreads each range of them: near the golden ratio, and with no factor of 10,000.
_SPREAD = 6_181
_CONDITIONS = frozenset(
    b"if-match if-none-match if-modified-since if-unmodified-since if-range range".split()
)
"""Fields about a response that the client has of another backend (RFC 9110 13.1, 14.2)."""


def mirror_of(route: Route) -> Mirror:
    """How the requests of a route are copied. Stage shadow needs no `mirror`."""
    return route.mirror or DEFAULT_MIRROR


def is_mirrored(route: Route) -> bool:
    """Whether requests of a route may be copied in its stage."""
    if not mirror_of(route).percent_bp:
        return False
    return route.stage == "shadow" or (
        route.mirror is not None and route.stage in ("canary", "live")
    )


def copies_requests(table: RouteTable) -> bool:
    """Whether some request may be copied."""
    return any(map(is_mirrored, table.routes))


def is_copied(mirror: Mirror, draw_bp: int) -> bool:
    """Whether a request is among the `percent` that are copied. A function of its draw alone.

    The draw may have chosen the backend, too: the share is the same, up to some hundredths of a per cent, among the
    requests of each backend.
    """
    return draw_bp * _SPREAD % ALL_BP < mirror.percent_bp


def describe(route: Route, method: str) -> str:
    """How requests of a route are copied, in words."""
    mirror = mirror_of(route)
    words = [f"{mirror.percent_bp * 100 / ALL_BP:g} % of these requests"]
    if method not in SAFE_METHODS and mirror.sandbox is not None:
        words.append(f"to the sandbox {mirror.sandbox}")
    elif mirror.compare is not None:
        words.append("the responses are compared")
    return ", ".join(words)


def is_replayed(mirror: Mirror, draw: float) -> bool:
    """Whether the incumbent gets a copied request a second time. `draw` is a uniform random number from [0, 1)."""
    return mirror.compare is not None and draw < mirror.compare.noise_rate


def copy_backend(backend: Backend, mirror: Mirror, method: str, name: str) -> Backend:
    """The backend of a copy, with connections of its own; the sandbox for a write.

    `name` is the name in errors.
    """
    limits = {"max_connections": mirror.max_concurrency, "max_pending_requests": 0}
    copied = replace(backend, name=name, affinity_cookie=None, **limits)
    if method in SAFE_METHODS or mirror.sandbox is None:
        return copied
    return replace(copied, endpoints=(mirror.sandbox,), tls=None)


def mirrored_request(
    table: RouteTable,
    served: Decision,
    backend: Backend,
    facts: Facts,
    identity: Identity,
    body: Body,
) -> Outgoing:
    """The copy for `backend`, by its own rewrite, edits and cookie rules. Raises BadRequest.

    `served` is the decision by which the request itself was sent.
    """
    mirror = mirror_of(served.route)
    refs = served.route.backend_refs
    at = [ref.backend for ref in refs].index(backend.name)
    decision, ref = decision_for_copy(table, served, at, facts, identity.request_id), refs[at]
    fields = upstream_headers(facts, decision.matched, ref, backend, table.forwarded, identity)
    return Outgoing(
        facts.method,
        upstream_target(facts, decision),
        host_for(facts, ref, backend),
        [*_copied_fields(fields, mirror), _MARK],
        body,
        _timeouts(served.route.timeouts, mirror),
    )


def _copied_fields(fields: HeaderPairs, mirror: Mirror) -> HeaderPairs:
    """Also without conditions. Credentials for a connection (NTLM, Negotiate) belong to that one: never copied."""
    keeps = mirror.forward_credentials and not has_login_credentials(fields)
    return [
        pair
        for pair in fields
        if pair[0] not in _CONDITIONS
        and pair[0] != MIRROR_FIELD
        and (keeps or pair[0] != b"authorization")
    ]


def _timeouts(timeouts: Timeouts, mirror: Mirror) -> Timeouts:
    limit_s = mirror.timeout_s
    return replace(
        timeouts,
        connect_s=min(timeouts.connect_s, limit_s),
        request_s=limit_s,
        backend_request_s=None,
        stream_idle_s=limit_s,
        total_s=limit_s,
    )
