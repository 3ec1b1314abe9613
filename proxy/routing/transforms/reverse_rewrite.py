"""Maps addresses in responses back through a prefix rewrite (rule 4, ADR 9).

If `/api/7` is rewritten to `/svc/7`, the backend responds with its own paths: `Location: /svc/8`, a cookie for
`/svc`. Paths below the rewritten prefix get the matched prefix again, and the backend's authority, which clients
cannot reach, is removed. A backend that got the client's Host writes absolute addresses with it: their paths are
mapped, too. Rewrites without an inverse (full path, template) are not mapped.
"""

import re

from msgspec import Struct

from proxy.model import Backend, BackendRef, Decision, HeaderPairs
from proxy.routing.paths import segments_of, to_wire

_ADDRESSED = frozenset((b"location", b"content-location"))
_MAPPED = _ADDRESSED | {b"link", b"refresh", b"set-cookie"}
_ABSOLUTE = re.compile(rb"(https?://([^/?#]*))(.*)", re.IGNORECASE | re.DOTALL)
_LINKED = re.compile(rb"<([^>]*)>")
_REFRESHED = re.compile(
    rb"([0-9. \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?)([\"']?)([^\"']*)", re.IGNORECASE
)
_PATH = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)([^;]*)", re.IGNORECASE)
_DOMAIN = re.compile(rb";[ \t]*domain[ \t]*=[ \t]*\.?([^;]*)", re.IGNORECASE)


class PrefixMapping(Struct, frozen=True):
    """A prefix rewrite and its hosts. Prefixes have no slash at the end."""

    inner: bytes
    """The prefix that the backend knows."""
    outer: bytes
    """The prefix that the client knows."""
    hosts: frozenset[bytes]
    """Authorities of the backend that the client does not know, in lower case."""
    client_host: bytes = b""
    """The client's Host in lower case, if the backend got it."""

    def path(self, path: bytes) -> bytes:
        """`path` with `outer` in place of `inner`. A path that is not below `inner` is returned unchanged."""
        if self.inner == self.outer or not path.startswith(b"/") or path.startswith(b"//"):
            return path
        rest = path[len(self.inner) :]
        if path.startswith(self.inner) and rest[:1] in (b"", b"/", b"?", b"#", b";"):
            return (self.outer + rest) or b"/"
        return path

    def address(self, address: bytes) -> bytes:
        """A URI reference, mapped. The backend's authority is removed, the client's stays.

        Addresses of other hosts are unchanged.
        """
        absolute = _ABSOLUTE.fullmatch(address)
        if absolute is None:
            return self.path(address)
        origin, authority, rest = absolute[1], absolute[2].lower(), absolute[3]
        if authority == self.client_host:
            return origin + self.path(rest)
        if authority not in self.hosts:
            return address
        return self.path(rest if rest.startswith(b"/") else b"/" + rest)


def mapped_back(
    headers: HeaderPairs, decision: Decision, backend: Backend, client_host: bytes
) -> HeaderPairs:
    """`headers` of a backend's response, with addresses that the client knows."""
    if decision.ref is None or not any(name in _MAPPED for name, _ in headers):
        return headers
    mapping = prefix_mapping(decision, decision.ref, backend, client_host)
    return [
        (name, _mapped(name, value, mapping) if name in _MAPPED else value)
        for name, value in headers
    ]


def prefix_mapping(
    decision: Decision, ref: BackendRef, backend: Backend, client_host: bytes
) -> PrefixMapping:
    """The mapping that inverts the rewrite of `decision`."""
    rewrite = ref.rewrite
    inner = outer = b""
    if rewrite is not None and rewrite.prefix is not None:
        pattern = decision.match.path
        inner = to_wire(rewrite.prefix.rstrip("/"))
        outer = to_wire(
            "".join(f"/{each}" for each in segments_of(pattern.value if pattern else "/"))
        )
    hosts = {endpoint.authority.lower().encode() for endpoint in backend.endpoints}
    hosts |= {f"{endpoint.host}:{endpoint.port}".lower().encode() for endpoint in backend.endpoints}
    host_is_replaced = not backend.preserve_host
    if rewrite is not None and rewrite.hostname is not None:
        host_is_replaced = True
        hosts.add(rewrite.hostname.lower().encode())
    client_host = client_host.lower()
    own_host = b"" if host_is_replaced else client_host
    return PrefixMapping(inner, outer, frozenset(hosts - {client_host}), own_host)


def _mapped(name: bytes, value: bytes, mapping: PrefixMapping) -> bytes:
    if name in _ADDRESSED:
        return mapping.address(value)
    if name == b"link":
        return _LINKED.sub(lambda link: b"<" + mapping.address(link[1]) + b">", value)
    if name == b"refresh":
        return _REFRESHED.sub(lambda to: to[1] + to[2] + mapping.address(to[3]), value, count=1)
    value = _PATH.sub(lambda path: path[1] + mapping.path(path[2].strip()), value)
    return _DOMAIN.sub(lambda domain: b"" if _is_backend(domain[1], mapping) else domain[0], value)


def _is_backend(domain: bytes, mapping: PrefixMapping) -> bool:
    """Whether a cookie's domain is a host of the backend. A client would ignore such a cookie."""
    domain = domain.strip().lower()
    return any(host.rpartition(b":")[0] == domain or host == domain for host in mapping.hosts)
