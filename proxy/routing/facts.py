"""The facts of a request, and the client that trusted networks determine."""

import re
from ipaddress import ip_address

from msgspec import Struct

from proxy.errors import BadRequest, HeadTooLarge, MethodRefused, UriTooLong
from proxy.http1.host import is_host
from proxy.model import Facts, HeaderPairs, Limits, Networks, plain_address
from proxy.routing.forwarded import reported_chain

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_NOT_ALLOWED = frozenset(("CONNECT", "TRACE"))
_ABSOLUTE = re.compile(rb"(?P<scheme>https?)://(?P<host>[^/?#]*)(?P<rest>.*)", re.IGNORECASE)


def client_address(peer: str, headers: HeaderPairs, trusted: Networks) -> str:
    """The client's address: the peer's or, behind trusted proxies, the last untrusted one that they report.

    X-Forwarded-For, or Forwarded in its place, is read from the right, because only the entries of trusted proxies are
    reliable (rule 14).
    """
    if peer not in trusted:
        return peer
    for hop in reversed(reported_chain(headers)[0].nodes):
        address = _without_port(hop.decode())
        if address not in trusted:
            return plain_address(address) if _is_address(address) else peer
    return peer


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(address: str) -> bool:
    if _IPV4.fullmatch(address) is not None:  # Costs a third of parsing.
        return True
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def read_host(headers: HeaderPairs) -> bytes:
    """The value of Host, empty if it is missing. Raises BadRequest for several, or for no host (RFC 9112 3.2)."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return b""
    if len(hosts) > 1:
        raise BadRequest("the request has more than one Host header")
    if hosts[0] and not is_host(hosts[0]):
        raise BadRequest("the Host header is not a host name with an optional port up to 65535")
    return hosts[0]


class ClientFacts(Struct, frozen=True, eq=False):
    """The client and the header fields: the part of the facts that requests with the same fields share."""

    headers: HeaderPairs
    host: bytes
    client: str
    scheme: str
    peer: str
    peer_trusted: bool
    header_bytes: int
    """The number of bytes in names and values together."""


def read_client(headers: HeaderPairs, peer: str, scheme: str, trusted: Networks) -> ClientFacts:
    """The client and the fields of a request. `headers` have lower-case names. Raises BadRequest."""
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
    """The number of bytes in names and values together."""
    return sum(len(name) + len(value) for name, value in headers)


def facts_of_request(client: ClientFacts, method: str, target: bytes, minor: int = 1) -> Facts:
    """The facts of a request. `target` is the raw target. Raises BadRequest."""
    if method in _NOT_ALLOWED:
        raise MethodRefused(f"{method} is not passed on by a gateway (RFC 9110 9.3)")
    if b"#" in target:
        raise BadRequest("the request target has a fragment (RFC 9112 3.2)")
    if not target.startswith(b"/"):
        target = _origin_form(target, client.host, client.scheme)
    path, mark, query = target.partition(b"?")
    return Facts(
        method,
        client.host,
        path,
        query,
        client.headers,
        client.client,
        client.scheme,
        client.peer,
        client.peer_trusted,
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
    """The facts of a request. `target` is the raw target; `headers` have lower-case names. Raises BadRequest."""
    return facts_of_request(read_client(headers, peer, scheme, trusted), method, target)


def _origin_form(target: bytes, host: bytes, scheme: str) -> bytes:
    """`http://host/path` as `/path` (RFC 9112 3.2.2). Raises BadRequest for another host or scheme."""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return target
    if absolute["host"].lower() != host.lower():
        raise BadRequest("the request target names another host than the Host header")
    if absolute["scheme"].lower() != scheme.encode():
        raise BadRequest("the request target names another scheme than the connection's")
    rest = absolute["rest"]
    return rest if rest.startswith(b"/") else b"/" + rest


def check_limits(facts: Facts, limits: Limits, header_bytes: int) -> None:
    """Raises UriTooLong or HeadTooLarge. `header_bytes` is the `fields_size` of the headers."""
    if len(facts.path) + len(facts.query) > limits.max_uri_bytes:
        raise UriTooLong(f"the request target is longer than {limits.max_uri_bytes} bytes")
    if len(facts.headers) > limits.max_headers:
        raise HeadTooLarge(f"the request has more than {limits.max_headers} header fields")
    if header_bytes > limits.max_header_bytes:
        raise HeadTooLarge(f"the header fields take more than {limits.max_header_bytes} bytes")
