"""The nouns. Immutable; what a request touches is a plain frozen struct (style, 1).

Numbers carry their unit in the name. Shares of traffic are whole hundredths of a per cent
(`*_bp`, 0..10,000): two decimals in the file, and no rounding anywhere else.
"""

from typing import Literal

from msgspec import Struct

from proxy.matches import Match
from proxy.stages import Stage
from proxy.table_tests import TableTest

HeaderPairs = list[tuple[bytes, bytes]]
"""Header fields as they go over the wire, names in lower case, repeats and order kept."""

ALL_BP = 10_000
"""All of the traffic, in hundredths of a per cent."""

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 9.2.1."""


# --- where it sends it ----------------------------------------------------------------------


class HeaderEdits(Struct, frozen=True):
    """Applied in this order: remove, set, add. Names in lower case."""

    set: tuple[tuple[bytes, bytes], ...] = ()
    add: tuple[tuple[bytes, bytes], ...] = ()
    remove: tuple[bytes, ...] = ()


NO_EDITS = HeaderEdits()


class Rewrite(Struct, frozen=True):
    """What a backend is asked instead of what the client sent. At most one of the path fields is set."""

    prefix: str | None = None
    """Takes the place of the matched prefix (`replace_prefix_match`)."""
    full_path: str | None = None
    template: str | None = None
    hostname: str | None = None


class BackendRef(Struct, frozen=True):
    """A share of a route's traffic, and how that backend is spoken to on this route."""

    backend: str
    weight_bp: int = ALL_BP
    rewrite: Rewrite | None = None
    request: HeaderEdits = NO_EDITS
    response: HeaderEdits = NO_EDITS


class Endpoint(Struct, frozen=True):
    """One address of a backend: host and port, or a Unix socket."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """As in a Host header: without the scheme's own port, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Allow(Struct, frozen=True):
    """Which names a backend may see: all, or `only` these, never those of `remove`. Lower case for headers."""

    only: frozenset[str] | None = None
    remove: frozenset[str] = frozenset()

    def passes(self, name: str) -> bool:
        return name not in self.remove and (self.only is None or name in self.only)


ALLOW_ALL = Allow()


class BackendTls(Struct, frozen=True):
    """How an https backend is spoken to. Its certificate is always verified.

    Paths are as they stand in the file, relative to its folder; in a table that serves they are absolute.
    """

    ca_file: str | None = None
    """The only authorities that are trusted; None is the system's."""
    cert_file: str | None = None
    key_file: str | None = None
    """None where the key stands in `cert_file`."""
    server_name: str | None = None
    """The name for SNI and for the check of the certificate; None is the endpoint's host."""
    content: str = ""
    """A hash of what the files held when they were read: new files are another value."""


class Backend(Struct, frozen=True):
    """A system that answers: the monolith, the new service."""

    name: str
    endpoints: tuple[Endpoint, ...]
    preserve_host: bool = False
    """Send the client's Host on, instead of the endpoint's own."""
    max_connections: int = 100
    max_pending_requests: int = 1024
    headers: Allow = ALLOW_ALL
    cookies: Allow = ALLOW_ALL
    tls: BackendTls | None = None
    idle_timeout_s: float = 2.5
    """Half of the common 5 s of servers (findings, 17)."""


class Timeouts(Struct, frozen=True):
    """Seconds. `request` runs from the request's last byte to the answer's head, over all attempts;
    `backend_request` is the same for one attempt; then `stream_idle` bounds each silence of an answer's body.
    `body_idle` bounds each silence of the client's body, and `total` all from the request's head to the end of
    the answer; it does not hold for WebSockets."""

    connect_s: float = 2.0
    request_s: float = 15.0
    backend_request_s: float = 15.0
    stream_idle_s: float = 60.0
    body_idle_s: float = 30.0
    total_s: float = 3600.0


class Limits(Struct, frozen=True):
    """Bytes and counts of one request."""

    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_uri_bytes: int = 8 * 1024
    max_body_bytes: int = 50 * 1024 * 1024
    min_body_rate: int = 240
    """Bytes a second of a request's body, on average, judged once 5 seconds have passed; 0 is no bound."""


class DirectResponse(Struct, frozen=True):
    """An answer by the facade itself."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Redirect(Struct, frozen=True):
    """A Location made of the request's own parts, each replaced where it is given."""

    status: int = 302
    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    path: str | None = None
    prefix: str | None = None
    """Takes the place of the matched prefix."""


class HashKey(Struct, frozen=True):
    """Where a cohort finds its key: a cookie, a header, or the client's address."""

    kind: Literal["cookie", "header", "source_ip"]
    name: str = ""
    generate: bool = False
    ttl_s: float = 0.0


class Cohort(Struct, frozen=True):
    """Who moves together: the first key present, hashed with the salt."""

    name: str
    salt: str
    keys: tuple[HashKey, ...]


class Mirror(Struct, frozen=True):
    """A copy to the other backend. `percent_bp` of the requests that qualify."""

    percent_bp: int = ALL_BP


class Route(Struct, frozen=True):
    """One seam of the monolith: what it takes, who answers, how far its migration has come."""

    name: str
    match: Match
    backend_refs: tuple[BackendRef, ...] = ()
    """With a stage: the incumbent, then the newcomer. Empty with `direct_response` or `redirect`; a retired
    route may keep them for the way back, but answers by itself."""
    stage: Stage | None = None
    priority: int = 0
    cohort: Cohort | None = None
    mirror: Mirror | None = None
    direct_response: DirectResponse | None = None
    redirect: Redirect | None = None
    request: HeaderEdits = NO_EDITS
    response: HeaderEdits = NO_EDITS
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    line: int = 0
    """Where it stands in its file, from 1; 0 for a route that is in no file."""


# --- the table ------------------------------------------------------------------------------


class Explain(Struct, frozen=True):
    """Which header tells the decision, and to clients of which networks (CIDR)."""

    response_header: str = "x-facade-decision"
    expose_to: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


class Forwarded(Struct, frozen=True):
    """Whose forwarding headers are believed (CIDR), and which client headers pass all the same (rule 14)."""

    trusted_proxies: tuple[str, ...] = ()
    allow_headers: frozenset[str] = frozenset()


class Listener(Struct, frozen=True):
    """How the facade treats those who connect to it. Bounds of one worker."""

    head_timeout_s: float = 10.0
    """From the first byte of a head, or the beginning of the connection, to the head's end."""
    idle_timeout_s: float = 75.0
    """How long a connection may be kept open between two requests."""
    max_connections: int = 10_000
    max_connections_per_client: int = 2_000
    """By the address of the peer; peers within `trusted_proxies` are exempt."""


TlsKey = Literal["ca_file", "cert_file", "key_file"]
TLS_KEYS: tuple[TlsKey, ...] = ("ca_file", "cert_file", "key_file")


class TlsFile(Struct, frozen=True):
    """A file that a backend's `tls` names, and where it does."""

    backend: str
    key: TlsKey
    path: str
    line: int
    column: int


class RouteTable(Struct, frozen=True):
    """What a file says, whole and valid. Routes in file order."""

    routes: tuple[Route, ...]
    backends: tuple[Backend, ...]
    kill_switch: bool = False
    explain: Explain = Explain()
    forwarded: Forwarded = Forwarded()
    tests: tuple[TableTest, ...] = ()
    min_route_coverage: float = 0.0
    """Per cent of the routes that the tests have to reach."""
    unobeyed: tuple[str, ...] = ()
    """Fields that were parsed and validated, but that no machinery obeys yet (rule 15)."""
    listener: Listener = Listener()
    tls_files: tuple[TlsFile, ...] = ()
    """What whoever loads the table has to look at; the core reads no files."""


# --- one request ----------------------------------------------------------------------------


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
