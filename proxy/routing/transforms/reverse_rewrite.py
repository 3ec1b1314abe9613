"""Maps addresses in responses back through a prefix rewrite (rule 4, ADR 9).

If `/api/7` is rewritten to `/svc/7`, the backend responds with its own paths: `Location: /svc/8`, a cookie for
`/svc`. Paths below the rewritten prefix get the matched prefix again, and the backend's authority, which clients
cannot reach, is removed. A backend that got the client's Host writes absolute addresses with it: their paths are
mapped, too. Other rewrites are mapped if they have an inverse (`path_inverse`), or if the table has one (`reverse`).

A backend that obeys X-Forwarded-Prefix writes the paths that the client knows: paths below that prefix stay.
"""

import re

from msgspec import Struct

from proxy.model import Backend, Decision, Facts, Forwarded, HeaderPairs, Match, Rewrite
from proxy.routing.paths import segments_of, to_wire
from proxy.routing.transforms.facade_fields import announced_prefix, client_origin
from proxy.routing.transforms.headers import sent_prefixes
from proxy.routing.transforms.path_inverse import PathInverse, inverse_of

_ADDRESSED = frozenset((b"location", b"content-location"))
_MAPPED = _ADDRESSED | {b"link", b"refresh", b"set-cookie"}
_ABSOLUTE = re.compile(rb"(https?://([^/?#]*))(.*)", re.IGNORECASE | re.DOTALL)
_LINKED = re.compile(rb"<([^>]*)>")
_REFRESHED = re.compile(
    rb"([0-9. \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?)([\"']?)([^\"']*)", re.IGNORECASE
)
_PATH = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)([^;]*)", re.IGNORECASE)
_DOMAIN = re.compile(rb";[ \t]*domain[ \t]*=[ \t]*\.?([^;]*)", re.IGNORECASE)


class AddressMapping(Struct, frozen=True):
    """The inverse of a rewrite, and its hosts. Prefixes have no slash at the end."""

    inner: bytes
    """The prefix that the backend knows."""
    outer: bytes
    """The prefix that the client knows."""
    hosts: frozenset[bytes]
    """Authorities of the backend that the client does not know, in lower case."""
    client_hosts: frozenset[bytes] = frozenset()
    """Authorities of the client's request that the backend got, in lower case."""
    announced: bytes = b""
    """The prefix that the backend was sent in X-Forwarded-Prefix."""
    inverse: PathInverse | None = None
    """In place of the two prefixes."""

    def path(self, path: bytes) -> bytes:
        """`path` with `outer` in place of `inner`. Unchanged: a path not below `inner`, or below `announced`."""
        if not path.startswith(b"/") or path.startswith(b"//"):
            return path
        if self.inverse is not None:
            return self.inverse.path(path)
        if self.inner == self.outer:
            return path
        if self.announced and _is_below(path, self.announced):
            return path
        if _is_below(path, self.inner):
            return _path_alone(self.outer + path[len(self.inner) :])
        return path

    def address(self, address: bytes) -> bytes:
        """A URI reference, mapped. The backend's authority is removed, the client's stays.

        Addresses of other hosts are unchanged.
        """
        absolute = _ABSOLUTE.fullmatch(address)
        if absolute is None:
            return self.path(address)
        origin, authority, rest = absolute[1], absolute[2].lower(), absolute[3]
        if authority in self.client_hosts:
            return origin + self.path(rest)
        if authority not in self.hosts:
            return address
        return self.path(_path_alone(rest))


def mapped_back(
    headers: HeaderPairs, decision: Decision, backend: Backend, facts: Facts, forwarded: Forwarded
) -> HeaderPairs:
    """`headers` of a backend's response, with addresses that the client knows."""
    if decision.ref is None or not any(name in _MAPPED for name, _ in headers):
        return headers
    mapping = _mapping(decision, backend, facts, forwarded)
    return [
        (name, _mapped(name, value, mapping) if name in _MAPPED else value)
        for name, value in headers
    ]


def _mapping(
    decision: Decision, backend: Backend, facts: Facts, forwarded: Forwarded
) -> AddressMapping:
    """The mapping that inverts the rewrite of `decision`."""
    ref = decision.ref
    rewrite = None if ref is None else ref.rewrite
    inner = outer = announced = b""
    inverse = None
    if ref is not None and rewrite is not None and rewrite.prefix is not None:
        announced = announced_prefix(
            sent_prefixes(facts, decision.matched, ref, backend, forwarded)
        )
        pattern = decision.match.path
        inner = to_wire(rewrite.prefix.rstrip("/"))
        outer = to_wire(
            "".join(f"/{each}" for each in segments_of(pattern.value if pattern else "/"))
        )
    if rewrite is not None and rewrite.reverse is not None:
        inner, outer = (to_wire(each.rstrip("/")) for each in rewrite.reverse)
    elif rewrite is not None:
        inverse = inverse_of(decision.match.path, rewrite)
    hosts = {endpoint.authority.lower().encode() for endpoint in backend.endpoints}
    hosts |= {f"{endpoint.host}:{endpoint.port}".lower().encode() for endpoint in backend.endpoints}
    host_is_replaced = not backend.preserve_host
    if rewrite is not None and rewrite.hostname is not None:
        host_is_replaced = True
        hosts.add(rewrite.hostname.lower().encode())
    # What a trusted proxy reports as the client's Host every backend gets, in X-Forwarded-Host.
    client_hosts = {facts.host.lower(), client_origin(facts)[1].lower()}
    known_hosts = client_hosts - {facts.host.lower()} if host_is_replaced else client_hosts
    return AddressMapping(
        inner, outer, frozenset(hosts - client_hosts), frozenset(known_hosts), announced, inverse
    )


def describe_inverse(match: Match, rewrite: Rewrite | None) -> str:
    """What becomes of paths in responses, in words. Empty if the table does not rewrite the path."""
    if rewrite is None:
        return ""
    if rewrite.reverse is not None:
        inner, outer = (each.rstrip("/") for each in rewrite.reverse)
        return f"their paths {inner}/** become {outer}/**"
    if rewrite.prefix is not None:
        outer = "" if match.path is None else match.path.value
        return f"their paths {rewrite.prefix.rstrip('/')}/** become {outer.rstrip('/')}/**"
    if rewrite.full_path is None and rewrite.template is None:
        return ""
    inverse = inverse_of(match.path, rewrite)
    if inverse is None:
        return (
            "their paths stay: the rewrite loses a part of the path, and the table has no `reverse`"
        )
    tail = "/**" if inverse.is_open else ""
    inside, outside = (
        "".join(f"/{each}" for each in path) for path in (inverse.inner, inverse.outer)
    )
    return f"their paths {inside}{tail} become {outside}{tail}"


def _path_alone(path: bytes) -> bytes:
    """`path` with one slash in front: two would start the authority of another host (RFC 3986 4.2)."""
    return b"/" + path.lstrip(b"/")


def _is_below(path: bytes, prefix: bytes) -> bool:
    return path.startswith(prefix) and path[len(prefix) :][:1] in (b"", b"/", b"?", b"#", b";")


def _mapped(name: bytes, value: bytes, mapping: AddressMapping) -> bytes:
    if name in _ADDRESSED:
        return mapping.address(value)
    if name == b"link":
        return _LINKED.sub(lambda link: b"<" + mapping.address(link[1]) + b">", value)
    if name == b"refresh":
        return _REFRESHED.sub(lambda to: to[1] + to[2] + mapping.address(to[3]), value, count=1)
    value = _PATH.sub(lambda path: path[1] + mapping.path(path[2].strip()), value)
    return _DOMAIN.sub(lambda domain: b"" if _is_backend(domain[1], mapping) else domain[0], value)


def _is_backend(domain: bytes, mapping: AddressMapping) -> bool:
    """Whether a cookie's domain is a host of the backend. A client would ignore such a cookie."""
    domain = domain.strip().lower()
    return any(host.rpartition(b":")[0] == domain or host == domain for host in mapping.hosts)
