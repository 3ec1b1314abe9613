"""Header rules of requests and responses: which fields are forwarded. Fields are lists of byte pairs.

The order guards against spoofing (finding 15). First hop-by-hop fields and those that `Connection` nominates are
dropped, then fields that clients may not set (rule 14), then the backend's allow-lists apply, then the facade's own
fields are added, but none that the backend removes. The table's edits come last. Host and framing are not included:
the writer of the head adds them.
"""

from proxy.http1.trailers import FORBIDDEN_IN_REQUESTS
from proxy.model import (
    ALL_COOKIES,
    ALLOW_ALL,
    NO_EDITS,
    Backend,
    BackendRef,
    Decision,
    Facts,
    Forwarded,
    HeaderEdits,
    HeaderPairs,
    MatchedRoute,
    Route,
)
from proxy.routing.transforms.cookies import with_cookies
from proxy.routing.transforms.facade_fields import (
    PREFIX,
    is_forwarding,
    taken_prefix,
    with_facade_fields,
    with_prefix,
)
from proxy.routing.transforms.request_values import UNKNOWN_ID, ValueSource, resolved_edits
from proxy.routing.transforms.trace_context import REQUEST_ID, Identity

# RFC 9110 7.6.1, and fields of HTTP/1.0 and HTTP/2 that still occur.
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"proxy-authenticate",
    )
)
# Written by the facade for the next hop. `Expect` is handled by the client connection (RFC 9110 10.1.1).
_NOT_FORWARDED = frozenset((b"host", b"content-length", b"expect"))
# Naming these in `Connection` does not drop them (finding 15).
_NOT_NOMINATED = frozenset((b"host", b"authorization", b"content-length", b"close", b"keep-alive"))
_NOT_FROM_CLIENTS = frozenset(
    (
        b"forwarded",
        b"x-real-ip",
        b"x-original-url",
        b"x-rewrite-url",
        b"proxy",
        b"proxy-authorization",
        b"x-facade-mirror",
    )
)
# Names that always pass. Most fields of most requests are among them.
_ALWAYS_PASS = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cache-control",
        b"content-type",
        b"if-modified-since",
        b"if-none-match",
        b"origin",
        b"pragma",
        b"priority",
        b"range",
        b"referer",
        b"sec-ch-ua",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-user",
        b"upgrade-insecure-requests",
        b"user-agent",
    )
)


def upstream_headers(
    facts: Facts,
    matched: MatchedRoute,
    ref: BackendRef,
    backend: Backend,
    forwarded: Forwarded,
    identity: Identity | None = None,
) -> HeaderPairs:
    """The fields for the backend, without Host and framing.

    `forwarded` has the client fields that pass although rule 14 drops them by default.
    """
    allowed = forwarded.allow_headers
    kept = [
        pair
        for pair in without_hop_by_hop(facts.headers)
        if pair[0] in _ALWAYS_PASS or _may_pass(pair[0], allowed, facts.peer_trusted)
    ]
    if backend.headers is not ALLOW_ALL:
        kept = [pair for pair in kept if backend.headers.passes(pair[0].decode("latin-1"))]
    if backend.cookies is not ALL_COOKIES:
        kept = with_cookies(kept, backend.cookies)
    if facts.method == "OPTIONS":
        kept = [_decrement_max_forwards(pair) for pair in kept]
    kept = with_facade_fields(
        kept, facts, identity, taken_prefix(matched.match, ref.rewrite), forwarded.via
    )
    if backend.headers.remove:
        kept = [pair for pair in kept if pair[0].decode("latin-1") not in backend.headers.remove]
    request_id = UNKNOWN_ID if identity is None else identity.request_id
    policy = matched.route.path_policy
    source = ValueSource(facts, matched.match.path, request_id, policy)
    return edited_request(kept, matched.route, ref, source)


def sent_prefixes(
    facts: Facts, matched: MatchedRoute, ref: BackendRef, backend: Backend, forwarded: Forwarded
) -> list[bytes]:
    """The values of `PREFIX` in `upstream_headers`."""
    passes = _may_pass(PREFIX, forwarded.allow_headers, facts.peer_trusted)
    kept = [pair for pair in facts.headers if passes and pair[0] == PREFIX]
    if not backend.headers.passes(PREFIX.decode()):
        kept = []
    kept = with_prefix(kept, taken_prefix(matched.match, ref.rewrite))
    if PREFIX.decode() in backend.headers.remove:
        kept = []
    source = ValueSource(facts, matched.match.path, path_policy=matched.route.path_policy)
    edited = edited_request(kept, matched.route, ref, source)
    return [value for name, value in edited if name == PREFIX]


def edited_request(
    headers: HeaderPairs, route: Route, ref: BackendRef, source: ValueSource | None
) -> HeaderPairs:
    """`headers` with the edits of the route, then those of the reference.

    Without `source` the edits have no values of the request.
    """
    for edits in (route.request, ref.request):
        if edits is not NO_EDITS:
            headers = apply_header_edits(
                headers, edits if source is None else resolved_edits(edits, source)
            )
    return headers


def client_headers(
    headers: HeaderPairs, decision: Decision, decision_header: bytes, source: ValueSource
) -> HeaderPairs:
    """The fields of a backend's response that the client gets. Framing fields are kept.

    A backend's field with a name that the facade adds is dropped: the request id, and `decision_header`.
    """
    own = (REQUEST_ID, decision_header)
    kept = [pair for pair in without_hop_by_hop(headers) if pair[0] not in own]
    return edited_response(kept, decision.route, decision.ref, source)


def edited_response(
    headers: HeaderPairs, route: Route | None, ref: BackendRef | None, source: ValueSource
) -> HeaderPairs:
    """`headers` with the edits of the route, then those of the reference, if there are any."""
    for each in (route, ref):
        if each is not None and each.response is not NO_EDITS:
            headers = apply_header_edits(headers, resolved_edits(each.response, source))
    return headers


def without_hop_by_hop(headers: HeaderPairs) -> HeaderPairs:
    """`headers` without connection-level fields and those that `Connection` nominates (RFC 9110 7.6.1)."""
    nominated: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            nominated.update(token.strip().lower() for token in value.split(b","))
    nominated -= _NOT_NOMINATED
    if not nominated:
        return [pair for pair in headers if pair[0] not in _HOP_BY_HOP]
    return [
        pair
        for pair in headers
        if pair[0] not in _HOP_BY_HOP
        and (pair[0] not in nominated or pair[0].startswith(b"x-forwarded-"))
    ]


def _may_pass(name: bytes, allowed: frozenset[str], peer_trusted: bool) -> bool:
    if name in _NOT_FORWARDED:
        return False
    forwarding = is_forwarding(name)
    if forwarding and peer_trusted:
        return True
    if forwarding or name in _NOT_FROM_CLIENTS or b"_" in name:
        return name.decode("latin-1") in allowed
    return True


def belongs_to_connection(name: str) -> bool:
    """Whether a field is for one connection, and never passes."""
    return name.encode() in _HOP_BY_HOP


def is_dropped(name: str, allowed: frozenset[str]) -> bool:
    """Whether a client's field of this name is dropped for what it may claim. `allowed` as in `upstream_headers`.

    Forwarding fields are not: a backend gets what the facade believes of them.
    """
    encoded = name.encode()
    return encoded not in _NOT_FORWARDED and not _may_pass(encoded, allowed, peer_trusted=True)


def _decrement_max_forwards(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The field, with Max-Forwards decremented (RFC 9110 7.6.2). `is_for_facade` handles the value 0."""
    name, value = pair
    counts = name == b"max-forwards" and value.isdigit() and len(value) < 10
    return (name, b"%d" % max(0, int(value) - 1)) if counts else pair


def request_trailers(trailers: HeaderPairs) -> HeaderPairs:
    """The trailers of a request that are forwarded: none that could act as a header field."""
    return [
        pair
        for pair in trailers
        if pair[0] not in FORBIDDEN_IN_REQUESTS
        and pair[0] not in _HOP_BY_HOP
        and _may_pass(pair[0], frozenset(), False)
    ]


def apply_header_edits(headers: HeaderPairs, edits: HeaderEdits) -> HeaderPairs:
    """`headers` with the table's edits: remove, then set, then add. The edits are `resolved_edits`."""
    if not (edits.remove or edits.set or edits.add):
        return headers
    replaced = replaced_names(edits)
    return [*(pair for pair in headers if pair[0] not in replaced), *edits.set, *edits.add]


def replaced_names(edits: HeaderEdits) -> set[bytes]:
    """The names whose values before the edits do not stay."""
    return {
        *edits.remove,
        *(name for name, _ in edits.set),
        *(name for name, _ in edits.set_values),
    }
