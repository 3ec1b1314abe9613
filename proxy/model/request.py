"""One request: its facts, the decision about it, and the request for the backend."""

from typing import Literal

from msgspec import Struct

from proxy.model.headers import HeaderPairs
from proxy.model.table import BackendRef, Route, Timeouts

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 9.2.1."""


class Facts(Struct, frozen=True):
    """What rules may see of a request. Bytes as they were sent."""

    method: str
    host: bytes
    """The Host header, port included."""
    path: bytes
    """The raw path of the target, without the query."""
    query: bytes
    headers: HeaderPairs
    client: str
    """The client's address without port, as far as it is known: the peer's, or what trusted proxies say."""
    scheme: str = "http"
    peer: str = ""
    """The address at the other end of the connection; empty for a Unix socket."""
    peer_trusted: bool = False
    """The peer is one of `forwarded.trusted_proxies`."""
    has_query: bool = False
    """The target has a `?`, be it with nothing behind it: it goes on as it was sent."""
    minor: int = 1
    """The client spoke HTTP/1.0 or HTTP/1.1."""


class Decision(Struct, frozen=True):
    """Where a request goes, and why. The same value is shown by `explain`, the log and the tests."""

    route: Route
    reason: str
    """One word: only, draw, kill_switch, stage, direct_response, redirect, retired."""
    ref: BackendRef | None = None
    """Absent when the facade answers by itself."""
    upstream_path: bytes = b""
    """Path as it is asked upstream, without the query."""
    mirrored_to: tuple[str, ...] = ()

    @property
    def backend(self) -> str | None:
        return None if self.ref is None else self.ref.backend


class Body(Struct, frozen=True):
    """How a request's body is framed. `length` in bytes, for that kind alone."""

    kind: Literal["none", "length", "chunked"]
    length: int = 0


class Outgoing(Struct, frozen=True):
    """What a backend is asked. `headers` lack Host and framing: whoever writes the head makes them anew."""

    method: str
    target: bytes
    """Raw path and query, as they go over the wire."""
    host: bytes | None
    """None is the endpoint's own authority."""
    headers: HeaderPairs
    body: Body
    timeouts: Timeouts
