"""The fields that the facade adds to requests: forwarding fields, ids, and the prefix that a rewrite took away."""

from proxy.model import Facts, FieldName, HeaderPairs, Match, Rewrite
from proxy.routing.forwarded import FOR, FORWARDED, HOST, PROTO, Chain, reported_chain, with_hop
from proxy.routing.paths import segments_of, to_wire
from proxy.routing.transforms.trace_context import REQUEST_ID, TRACEPARENT, TRACESTATE, Identity

PREFIX = FieldName(b"X-Forwarded-Prefix")
_VIA = FieldName(b"Via")
_IDENTITY = frozenset((REQUEST_ID, TRACEPARENT))
_IDENTITY_AND_STATE = _IDENTITY | {TRACESTATE}
SHARED_FIELDS = _IDENTITY_AND_STATE | {FOR, PROTO, HOST, FORWARDED, _VIA}
"""The fields that every backend gets from the facade. `PREFIX` goes with a prefix rewrite only."""
_REPLACED = frozenset((FOR, FORWARDED, _VIA))
_OUR_VIA = (b"1.0 facade", b"1.1 facade")


def with_facade_fields(
    headers: HeaderPairs, facts: Facts, identity: Identity | None, taken: bytes, via: bool
) -> HeaderPairs:
    """`headers` with all fields that the facade adds. `taken` is the `taken_prefix` of the request."""
    kept = _with_forwarding(headers, facts, via)
    if identity is not None:
        kept = _with_identity(kept, identity)
    return with_prefix(kept, taken)


def forwarding_fields(headers: HeaderPairs, facts: Facts, via: bool = True) -> HeaderPairs:
    """The forwarding fields for the backend (RFC 7239; RFC 9110 7.6.3 for Via).

    `headers` hold at least the forwarding fields of the request that go on. Their lists are appended to, and missing
    fields are added. Where only one family was sent, the other is built from it; they never contradict each other.
    Without `via` nothing is appended to Via.
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
    vias = [value for name, value in headers if name == _VIA]
    if via:
        vias.append(_OUR_VIA[facts.minor])
    if vias:
        fields.append((_VIA, b", ".join(vias)))
    return fields


def values_that_pass(facts: Facts, name: bytes) -> list[bytes]:
    """The values of a forwarding field as a backend gets them: what a stranger wrote is not among them."""
    kept = [pair for pair in facts.headers if facts.peer_trusted and is_forwarding(pair[0])]
    return [value for key, value in _with_forwarding(kept, facts, True) if key == name]


def is_forwarding(name: bytes) -> bool:
    """Whether clients report by this field where a request came from. Only those of trusted peers are believed."""
    return name == FORWARDED or name.startswith(b"x-forwarded-")


def client_origin(facts: Facts) -> tuple[bytes, bytes]:
    """Scheme (`http` or `https`) and Host of the client's own request, as far as a trusted peer reports them."""
    scheme, host = facts.scheme.encode(), facts.host
    if facts.peer_trusted:
        chain, _ = reported_chain(facts.headers)
        # Some proxies report `wss` for a WebSocket handshake.
        reported = {b"ws": b"http", b"wss": b"https"}.get(chain.proto.lower(), chain.proto.lower())
        scheme = reported if reported in (b"http", b"https") else scheme
        host = chain.host or host
    return scheme, host


def taken_prefix(match: Match, rewrite: Rewrite | None) -> bytes:
    """The part of the path that a prefix rewrite takes away, percent-encoded; empty if it takes nothing away.

    The segments at the end that the new prefix has as well were not taken away: from `/shop/v1` to `/v1` it is `/shop`.
    """
    pattern = match.path
    if rewrite is None or rewrite.prefix is None or pattern is None:
        return b""
    outer, inner = segments_of(pattern.value), segments_of(rewrite.prefix)
    while outer and inner and outer[-1] == inner[-1]:
        del outer[-1], inner[-1]
    return to_wire("".join(f"/{segment}" for segment in outer))


def with_prefix(headers: HeaderPairs, taken: bytes) -> HeaderPairs:
    """`headers` with the prefix that was taken away, behind those that proxies before the facade took away.

    They are in one line, because many servers read one only.
    """
    if not taken:
        return headers
    before = [value for name, value in headers if name == PREFIX and value.strip(b" \t/")]
    kept = [pair for pair in headers if pair[0] != PREFIX]
    return [*kept, (PREFIX, b", ".join((*before, taken)))]


def announced_prefix(values: list[bytes]) -> bytes:
    """The path in front of all paths of the backend, by the values of `PREFIX` that it got."""
    parts = b",".join(values).split(b",")
    return b"".join(part.strip().rstrip(b"/") for part in parts)


def _with_forwarding(headers: HeaderPairs, facts: Facts, via: bool) -> HeaderPairs:
    kept = [pair for pair in headers if pair[0] not in _REPLACED]
    return kept + forwarding_fields(headers, facts, via)


def _with_identity(headers: HeaderPairs, identity: Identity) -> HeaderPairs:
    dropped = _IDENTITY if identity.keeps_state else _IDENTITY_AND_STATE
    kept = [pair for pair in headers if pair[0] not in dropped]
    kept.append((REQUEST_ID, identity.request_id))
    kept.append((TRACEPARENT, identity.traceparent))
    return kept
