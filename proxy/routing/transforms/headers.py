"""Header rules of requests and responses: which fields are forwarded. Fields are lists of byte pairs.

The order guards against spoofing (finding 15). First hop-by-hop fields and those that `Connection` nominates are
dropped, then fields that clients may not set (rule 14), then the backend's allow-lists apply, then the facade's own
fields are added. The table's edits come last. Host and framing are not included: the writer of the head adds them.
"""

from proxy.http1.trailers import FORBIDDEN_IN_REQUESTS
from proxy.model import (
    ALLOW_ALL,
    NO_EDITS,
    Allow,
    Backend,
    BackendRef,
    Decision,
    Facts,
    FieldName,
    HeaderEdits,
    HeaderPairs,
    Route,
)
from proxy.routing.forwarded import FOR, FORWARDED, HOST, PROTO, Chain, reported_chain, with_hop
from proxy.routing.transforms.trace_context import REQUEST_ID, TRACEPARENT, TRACESTATE, Identity

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
VIA = FieldName(b"Via")
_IDENTITY = frozenset((REQUEST_ID, TRACEPARENT))
_IDENTITY_AND_STATE = _IDENTITY | {TRACESTATE}
FACADE_FIELDS = _IDENTITY_AND_STATE | {
    *(FOR, PROTO, HOST, FORWARDED, VIA),
}
"""Fields that the facade adds to requests."""
_REPLACED = frozenset((FOR, FORWARDED, VIA))
_OUR_VIA = (b"1.0 facade", b"1.1 facade")


def upstream_headers(
    facts: Facts,
    route: Route,
    ref: BackendRef,
    backend: Backend,
    allowed: frozenset[str],
    identity: Identity | None = None,
) -> HeaderPairs:
    """The fields for the backend, without Host and framing.

    `allowed` are the client fields that pass although rule 14 drops them by default.
    """
    kept = [
        pair
        for pair in without_hop_by_hop(facts.headers)
        if pair[0] in _ALWAYS_PASS or _may_pass(pair[0], allowed, facts.peer_trusted)
    ]
    if backend.headers is not ALLOW_ALL:
        kept = [pair for pair in kept if backend.headers.passes(pair[0].decode("latin-1"))]
    if backend.cookies is not ALLOW_ALL:
        kept = with_cookies(kept, backend.cookies)
    if facts.method == "OPTIONS":
        kept = [_decrement_max_forwards(pair) for pair in kept]
    kept = _with_forwarded(kept, facts)
    if identity is not None:
        kept = _with_identity(kept, identity)
    if route.request is NO_EDITS and ref.request is NO_EDITS:
        return kept
    return _with_our_via(
        apply_header_edits(apply_header_edits(kept, route.request), ref.request), facts
    )


def client_headers(headers: HeaderPairs, decision: Decision, decision_header: bytes) -> HeaderPairs:
    """The fields of a backend's response that the client gets. Framing fields are kept.

    A backend's field with the name `decision_header` is dropped.
    """
    kept = [pair for pair in without_hop_by_hop(headers) if pair[0] != decision_header]
    kept = apply_header_edits(kept, decision.route.response)
    return kept if decision.ref is None else apply_header_edits(kept, decision.ref.response)


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


def with_cookies(headers: HeaderPairs, allow: Allow) -> HeaderPairs:
    """`headers` with the cookies that `allow` passes; a field without any is left out."""
    filtered: HeaderPairs = []
    for name, value in headers:
        if name == b"cookie":
            pairs = (pair.strip() for pair in value.split(b";"))
            kept = [p for p in pairs if allow.passes(p.partition(b"=")[0].decode("latin-1"))]
            if not kept:
                continue
            value = b"; ".join(kept)
        filtered.append((name, value))
    return filtered


def dropped_cookies(headers: HeaderPairs, allow: Allow) -> tuple[str, ...]:
    """The names of the cookies that a response sets and that its backend may not see."""
    if allow is ALLOW_ALL:
        return ()
    names = (_set_cookie_name(value) for name, value in headers if name == b"set-cookie")
    return tuple(name for name in names if not allow.passes(name))


def without_cookies(headers: HeaderPairs, dropped: tuple[str, ...]) -> HeaderPairs:
    """The fields of a response without those that set a cookie of `dropped`."""
    if not dropped:
        return headers
    return [
        pair
        for pair in headers
        if pair[0] != b"set-cookie" or _set_cookie_name(pair[1]) not in dropped
    ]


def _set_cookie_name(value: bytes) -> str:
    """The name under which servers will read the cookie: a browser sends `=a=1` back as `a=1`."""
    pair = value.partition(b";")[0].lstrip(b"= \t")
    return pair.partition(b"=")[0].strip().decode("latin-1")


def _with_our_via(headers: HeaderPairs, facts: Facts) -> HeaderPairs:
    """The fields with the facade's own Via. The table may drop Via, but not this entry: it detects loops."""
    ours = _OUR_VIA[facts.minor]
    if any(name == VIA and value.endswith(ours) for name, value in headers):
        return headers
    return [*headers, (VIA, ours)]


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


def _with_identity(headers: HeaderPairs, identity: Identity) -> HeaderPairs:
    dropped = _IDENTITY if identity.keeps_state else _IDENTITY_AND_STATE
    kept = [pair for pair in headers if pair[0] not in dropped]
    kept.append((REQUEST_ID, identity.request_id))
    kept.append((TRACEPARENT, identity.traceparent))
    return kept


def _with_forwarded(headers: HeaderPairs, facts: Facts) -> HeaderPairs:
    kept = [pair for pair in headers if pair[0] not in _REPLACED]
    return kept + forwarding_fields(headers, facts)


def forwarding_fields(headers: HeaderPairs, facts: Facts) -> HeaderPairs:
    """The forwarding fields for the backend (RFC 7239; RFC 9110 7.6.3 for Via).

    `headers` hold at least the request's forwarding fields that are passed on. The facade appends to their lists, and
    adds missing fields. If only one family was sent, the other is built from it; they never contradict each other.
    """
    chain, forwarded = reported_chain(headers)
    peer = facts.peer.encode() or b"unknown"
    proto = chain.proto or facts.scheme.encode()
    host = chain.host or facts.host
    names = {name for name, _ in headers}
    sent_for = [value for name, value in headers if name == FOR] or chain.nodes
    fields: HeaderPairs = [(FOR, b", ".join((*sent_for, peer)))]
    if PROTO not in names:
        fields.append((PROTO, proto))
    if HOST not in names and host:
        fields.append((HOST, host))
    fields.append((FORWARDED, with_hop(Chain(chain.nodes, proto, host), forwarded, peer)))
    via = [value for name, value in headers if name == VIA]
    fields.append((VIA, b", ".join((*via, _OUR_VIA[facts.minor]))))
    return fields


def values_that_pass(facts: Facts, name: bytes) -> list[bytes]:
    """The values of a forwarding field that a backend gets: without those of an untrusted peer."""
    kept = [pair for pair in facts.headers if facts.peer_trusted and is_forwarding(pair[0])]
    return [value for key, value in _with_forwarded(kept, facts) if key == name]


def is_forwarding(name: bytes) -> bool:
    """Whether the field reports the origin of a request. It is believed only from trusted peers."""
    return name == FORWARDED or name.startswith(b"x-forwarded-")


def apply_header_edits(headers: HeaderPairs, edits: HeaderEdits) -> HeaderPairs:
    """`headers` with the table's edits: remove, then set, then add."""
    if not (edits.remove or edits.set or edits.add):
        return headers
    dropped = {*edits.remove, *(name for name, _ in edits.set)}
    return [*(pair for pair in headers if pair[0] not in dropped), *edits.set, *edits.add]
