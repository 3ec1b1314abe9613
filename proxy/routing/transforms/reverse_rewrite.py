"""An answer's addresses, mapped back to those that the client knows (rule 4).

A backend that is asked for `/svc/7` where the client asked for `/api/7` answers in its own words:
`Location: /svc/8`, a cookie for `/svc`. What stands below the rewritten prefix gets the matched one again, and
the backend's own authority, which no client can reach, is left out. What cannot be inverted (a full path, a
template) is passed on (ADR 9).
"""

import re

from msgspec import Struct

from proxy.model import Backend, BackendRef, Decision, HeaderPairs
from proxy.routing.paths import segments_of, to_wire

_ADDRESSED = frozenset((b"location", b"content-location"))
_MAPPED = _ADDRESSED | {b"link", b"set-cookie"}
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_LINKED = re.compile(rb"<([^>]*)>")
_PATH = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)([^;]*)", re.IGNORECASE)
_DOMAIN = re.compile(rb";[ \t]*domain[ \t]*=[ \t]*\.?([^;]*)", re.IGNORECASE)


class PrefixMapping(Struct, frozen=True):
    """What was changed on the way there, and is changed back. Prefixes without a slash at the end."""

    inner: bytes
    outer: bytes
    hosts: frozenset[bytes]
    """Authorities that the backend was asked by, and that the client does not know. Lower case."""

    def path(self, path: bytes) -> bytes:
        """`path` below `inner`, below `outer`; any other as it is. Ends at a segment."""
        if self.inner == self.outer or not path.startswith(b"/") or path.startswith(b"//"):
            return path
        rest = path[len(self.inner) :]
        if path.startswith(self.inner) and rest[:1] in (b"", b"/", b"?", b"#", b";"):
            return (self.outer + rest) or b"/"
        return path

    def address(self, address: bytes) -> bytes:
        """A URI reference. The backend's own authority goes; another host's address is not ours to change."""
        found = _ABSOLUTE.fullmatch(address)
        if found is None:
            return self.path(address)
        if found[1].lower() not in self.hosts:
            return address
        rest = found[2] if found[2].startswith(b"/") else b"/" + found[2]
        return self.path(rest)


def mapped_back(
    headers: HeaderPairs, decision: Decision, backend: Backend, client_host: bytes
) -> HeaderPairs:
    """`headers` of an upstream's answer in the client's words."""
    if decision.ref is None or not any(name in _MAPPED for name, _ in headers):
        return headers
    way = prefix_mapping(decision, decision.ref, backend, client_host)
    return [
        (name, _mapped(name, value, way) if name in _MAPPED else value) for name, value in headers
    ]


def prefix_mapping(
    decision: Decision, ref: BackendRef, backend: Backend, client_host: bytes
) -> PrefixMapping:
    """What `decision` changed of path and host."""
    rewrite = ref.rewrite
    inner = outer = b""
    if rewrite is not None and rewrite.prefix is not None:
        pattern = decision.route.match.path
        inner = to_wire(rewrite.prefix.rstrip("/"))
        outer = to_wire(
            "".join(f"/{each}" for each in segments_of(pattern.value if pattern else "/"))
        )
    hosts = {endpoint.authority.lower().encode() for endpoint in backend.endpoints}
    hosts |= {f"{endpoint.host}:{endpoint.port}".lower().encode() for endpoint in backend.endpoints}
    if rewrite is not None and rewrite.hostname is not None:
        hosts.add(rewrite.hostname.lower().encode())
    return PrefixMapping(inner, outer, frozenset(hosts - {client_host.lower()}))


def _mapped(name: bytes, value: bytes, way: PrefixMapping) -> bytes:
    if name in _ADDRESSED:
        return way.address(value)
    if name == b"link":
        return _LINKED.sub(lambda found: b"<" + way.address(found[1]) + b">", value)
    value = _PATH.sub(lambda found: found[1] + way.path(found[2].strip()), value)
    return _DOMAIN.sub(lambda found: b"" if _names(found[1], way) else found[0], value)


def _names(domain: bytes, way: PrefixMapping) -> bool:
    """Whether a cookie's domain is a host of the backend: a client would throw such a cookie away."""
    domain = domain.strip().lower()
    return any(host.rpartition(b":")[0] == domain or host == domain for host in way.hosts)
