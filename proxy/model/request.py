"""A request: its facts, the decision about it, and the upstream request."""

from typing import Literal

from msgspec import Struct

from proxy.model.headers import HeaderPairs
from proxy.model.match import Match
from proxy.model.table import BackendRef, Route, Timeouts

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 9.2.1."""


class Facts(Struct, frozen=True):
    """The parts of a request that rules may read. Bytes are as they were sent."""

    method: str
    host: bytes
    """The Host header, port included."""
    path: bytes
    """The raw path of the target, without the query."""
    query: bytes
    headers: HeaderPairs
    client: str
    """The client's address without port: the peer's, or the one that trusted proxies report."""
    scheme: str = "http"
    peer: str = ""
    """The address at the other end of the connection. Empty for a Unix socket."""
    peer_trusted: bool = False
    """Whether the peer is in `forwarded.trusted_proxies`."""
    has_query: bool = False
    """Whether the target has a `?`. An empty query is forwarded as it was sent."""
    minor: int = 1
    """The minor version of HTTP/1 that the client uses."""


class MatchedRoute(Struct, frozen=True):
    """A route, and the one of its matches that takes a request."""

    route: Route
    match: Match
    number: int = 1
    """The number of the match in the route, from 1."""


class Decision(Struct, frozen=True):
    """The backend for a request, and the reason. `explain`, the log and the tests show the same value."""

    route: Route
    reason: str
    """One word: only, draw, cohort, override, read_your_writes, kill_switch, stage, direct_response, redirect,
    retired, preflight. After a fallback: `fallback:` and the failure."""
    ref: BackendRef | None = None
    """None for a local reply."""
    upstream_path: bytes = b""
    """The raw path of the upstream request, without the query."""
    mirrored_to: tuple[str, ...] = ()
    match: Match = Match()
    """The match of the route that took the request."""
    upstream_query: bytes | None = None
    """The query of the upstream request, if the rewrite edits it; None for the client's."""
    bucket_bp: int | None = None
    """The bucket in [0, 10,000) by which the reference was chosen. None where no bucket decides."""
    new_id: bytes = b""
    """The id that the client gets with the response, since it has no key of the route's cohort."""
    first_backend: str = ""
    """After a fallback: the backend that was chosen first."""
    first_reason: str = ""
    """And why."""

    @property
    def matched(self) -> MatchedRoute:
        """The route with that match."""
        return MatchedRoute(self.route, self.match)

    @property
    def backend(self) -> str | None:
        return None if self.ref is None else self.ref.backend


class Body(Struct, frozen=True):
    """The framing of a request body. `length` is in bytes, and only used by that kind."""

    kind: Literal["none", "length", "chunked"]
    length: int = 0


class Outgoing(Struct, frozen=True):
    """The upstream request. `headers` lack Host and framing: the writer of the head adds them."""

    method: str
    target: bytes
    """The raw path and query."""
    host: bytes | None
    """None stands for the endpoint's authority."""
    headers: HeaderPairs
    body: Body
    timeouts: Timeouts
