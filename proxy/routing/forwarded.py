"""`Forwarded` and `X-Forwarded-*`: two families of fields that report the origin of a request (RFC 7239).

A trusted peer may send either. If it sends both, `X-Forwarded-*` is believed: most proxies set it, and forward a
`Forwarded` of the client unchanged.
"""

import re

from msgspec import Struct

from proxy.http1.host import is_host
from proxy.model import FieldName, HeaderPairs

FOR, PROTO, HOST, FORWARDED = (
    FieldName(b"X-Forwarded-For"),
    FieldName(b"X-Forwarded-Proto"),
    FieldName(b"X-Forwarded-Host"),
    FieldName(b"Forwarded"),
)
_X_FAMILY = (FOR, PROTO, HOST)
# Unquoted values may hold the colons and brackets of addresses, although RFC 7239 wants quotes around them.
_PAIR = re.compile(rb'[ \t]*([A-Za-z-]+)=(?:([^\s",;=]+)|"((?:[^"\\]|\\.)*)")[ \t]*([;,]|\Z)')
_NODE = re.compile(rb"[0-9A-Za-z._:\[\]-]+")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_UNKNOWN = b"unknown"


class Chain(Struct, frozen=True):
    """The report of one family. `proto` and `host` are those of the client's request, empty if not reported."""

    nodes: tuple[bytes, ...] = ()
    """The client first; each hop adds the address that it got the request from."""
    proto: bytes = b""
    host: bytes = b""


NO_CHAIN = Chain()


def reported_chain(headers: HeaderPairs) -> tuple[Chain, bytes]:
    """The report of `headers`, and the value of `Forwarded` to forward: empty if it contradicts the report."""
    by_name: dict[bytes, bytes] = {}
    for name, value in headers:
        if name == FORWARDED or name in _X_FAMILY:
            by_name[name] = by_name[name] + b", " + value if name in by_name else value
    value = by_name.pop(FORWARDED, b"")
    reported = read_forwarded(value)
    if not by_name:
        return (NO_CHAIN, b"") if reported is None else (reported, value)
    nodes = tuple(_clean(node) for node in by_name.get(FOR, b"").split(b",") if node.strip())
    chain = Chain(
        nodes,
        _valid_proto(by_name.get(PROTO, b"").partition(b",")[0].strip()),
        _valid_host(by_name.get(HOST, b"").partition(b",")[0].strip()),
    )
    return chain, b"" if reported is None or _contradicts(reported, chain) else value


def read_forwarded(value: bytes) -> Chain | None:
    """The value of `Forwarded`, of all its lines. None if it is malformed or empty."""
    nodes: list[bytes] = []
    first: dict[bytes, bytes] = {}
    node, at, separator = _UNKNOWN, 0, b","
    while separator:
        pair = _PAIR.match(value, at)
        if pair is None:
            return None
        name, at, separator = pair[1].lower(), pair.end(), pair[4]
        content = pair[2] or re.sub(rb"\\(.)", rb"\1", pair[3] or b"")
        if name == b"for":
            node = _clean(content)
        else:
            first.setdefault(name, content)
        if separator != b";":
            nodes.append(node)
            node = _UNKNOWN
    proto, host = first.get(b"proto", b""), first.get(b"host", b"")
    return Chain(tuple(nodes), _valid_proto(proto), _valid_host(host))


def element(node: bytes, proto: bytes, host: bytes) -> bytes:
    """An element of `Forwarded`. Empty parts are left out."""
    text = b"for=%b" % _quoted(node)
    if proto:
        text += b";proto=%b" % proto
    return text + b';host="%b"' % host if host else text


def with_hop(chain: Chain, forwarded: bytes, peer: bytes) -> bytes:
    """The value of `Forwarded` with the hop from `peer`. `forwarded` is the value to extend, if there is one.

    `chain` is the report of the other forwarded fields: no element contradicts it.
    """
    if forwarded:
        reported = read_forwarded(forwarded) or NO_CHAIN
        proto = b"" if reported.proto else chain.proto
        host = b"" if reported.host else chain.host
        return b"%b, %b" % (forwarded, element(peer, proto, host))
    client, *hops = (*chain.nodes, peer)
    first = element(client, chain.proto, chain.host)
    return b", ".join((first, *(element(hop, b"", b"") for hop in hops)))


def _contradicts(reported: Chain, chain: Chain) -> bool:
    return (
        reported.nodes != chain.nodes
        or (reported.proto.lower() != chain.proto.lower() and reported.proto != b"")
        or (reported.host.lower() != chain.host.lower() and reported.host != b"")
    )


def _clean(node: bytes) -> bytes:
    """A node without the brackets of a bare IPv6 address, as in X-Forwarded-For."""
    node = node.strip()
    if _NODE.fullmatch(node) is None:
        return _UNKNOWN
    return node[1:-1] if node.startswith(b"[") and node.endswith(b"]") else node


def _quoted(node: bytes) -> bytes:
    """A node of RFC 7239 6: IPv6 in brackets, and in quotes, as every value with a colon."""
    if b":" not in node:
        return node
    return b'"%b"' % node if b"[" in node or node.count(b":") == 1 else b'"[%b]"' % node


def _valid_proto(value: bytes) -> bytes:
    return value if _SCHEME.fullmatch(value) else b""


def _valid_host(value: bytes) -> bytes:
    return value if is_host(value) else b""
