"""What rules may see of a request, and whom they believe."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network

from msgspec import Struct

from proxy.errors import BadRequest, HeadTooLarge, MethodRefused, UriTooLong
from proxy.http1.host import is_host
from proxy.model import Facts, HeaderPairs, Limits

_REMEMBERED = 4096
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_NOT_ALLOWED = frozenset(("CONNECT", "TRACE"))
_ABSOLUTE = re.compile(rb"(?P<scheme>https?)://(?P<host>[^/?#]*)(?P<rest>.*)", re.IGNORECASE)


class Networks:
    """Networks that answer `address in networks`. Remembers some addresses: parsing one costs 2 µs."""

    __slots__ = ("_known", "_networks")

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks = tuple(ip_network(cidr, strict=False) for cidr in cidrs)
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[address] = self._holds(address)
        return known

    def _holds(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def client_address(peer: str, headers: HeaderPairs, trusted: Networks) -> str:
    """Who asks: the peer, or, where trusted proxies stand in between, the last address that none of them has.

    Reads X-Forwarded-For from the right, because only what a trusted proxy wrote can be believed.
    """
    if peer not in trusted:
        return peer
    hops = [
        hop.strip()
        for name, value in headers
        if name == b"x-forwarded-for"
        for hop in value.decode("latin-1").split(",")
    ]
    for hop in reversed(hops):
        address = _without_port(hop)
        if address not in trusted:
            return address if _is_address(address) else peer
    return peer


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(address: str) -> bool:
    if _IPV4.fullmatch(address) is not None:  # A third of what parsing costs.
        return True
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def read_host(headers: HeaderPairs) -> bytes:
    """The one Host; empty if there is none. Raises BadRequest for several, or for no host (RFC 9112 3.2)."""
    found = [value for name, value in headers if name == b"host"]
    if not found:
        return b""
    if len(found) > 1:
        raise BadRequest("the request has more than one Host header")
    if found[0] and not is_host(found[0]):
        raise BadRequest("the Host header is not a host name with an optional port up to 65535")
    return found[0]


class ClientFacts(Struct, frozen=True, eq=False):
    """Who asks, and with which fields: what all requests of a connection that carry the same fields share."""

    headers: HeaderPairs
    host: bytes
    client: str
    scheme: str
    peer: str
    peer_trusted: bool
    header_bytes: int
    """Of names and values together."""


def read_client(headers: HeaderPairs, peer: str, scheme: str, trusted: Networks) -> ClientFacts:
    """`headers` have names in lower case. Raises BadRequest."""
    peer_trusted = peer in trusted
    return ClientFacts(
        headers,
        read_host(headers),
        client_address(peer, headers, trusted) if peer_trusted else peer,
        scheme,
        peer,
        peer_trusted,
        fields_size(headers),
    )


def fields_size(headers: HeaderPairs) -> int:
    """Bytes of names and values together."""
    return sum(len(name) + len(value) for name, value in headers)


def facts_of(asker: ClientFacts, method: str, target: bytes, minor: int = 1) -> Facts:
    """`target` as it was sent. Raises BadRequest."""
    if method in _NOT_ALLOWED:
        raise MethodRefused(f"{method} is not passed on by a gateway (RFC 9110 9.3)")
    if b"#" in target:
        raise BadRequest("the request target has a fragment (RFC 9112 3.2)")
    if not target.startswith(b"/"):
        target = _origin_form(target, asker.host, asker.scheme)
    path, mark, query = target.partition(b"?")
    return Facts(
        method,
        asker.host,
        path,
        query,
        asker.headers,
        asker.client,
        asker.scheme,
        asker.peer,
        asker.peer_trusted,
        mark != b"",
        minor,
    )


def read_facts(
    method: str,
    target: bytes,
    headers: HeaderPairs,
    peer: str,
    scheme: str,
    trusted: Networks,
) -> Facts:
    """`target` as it was sent. `headers` have names in lower case. Raises BadRequest."""
    return facts_of(read_client(headers, peer, scheme, trusted), method, target)


def _origin_form(target: bytes, host: bytes, scheme: str) -> bytes:
    """`http://host/path` as `/path` (RFC 9112 3.2.2). Raises BadRequest where it names another place."""
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return target
    if found["host"].lower() != host.lower():
        raise BadRequest("the request target names another host than the Host header")
    if found["scheme"].lower() != scheme.encode():
        raise BadRequest("the request target names another scheme than the connection's")
    rest = found["rest"]
    return rest if rest.startswith(b"/") else b"/" + rest


def check_limits(facts: Facts, limits: Limits, header_bytes: int) -> None:
    """Raises UriTooLong or HeadTooLarge. The bytes of a field are those of its name and value."""
    if len(facts.path) + len(facts.query) > limits.max_uri_bytes:
        raise UriTooLong(f"the request target is longer than {limits.max_uri_bytes} bytes")
    if len(facts.headers) > limits.max_headers:
        raise HeadTooLarge(f"the request has more than {limits.max_headers} header fields")
    if header_bytes > limits.max_header_bytes:
        raise HeadTooLarge(f"the header fields take more than {limits.max_header_bytes} bytes")
