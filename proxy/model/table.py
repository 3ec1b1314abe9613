"""The route table: routes, and the settings that stand beside them.

Numbers carry their unit in the name. Shares of traffic are whole hundredths of a per cent
(`*_bp`, 0..10,000): two decimals in the file, and no rounding anywhere else.
"""

from typing import Literal

from msgspec import Struct

from proxy.model.backend import Backend, TlsFile
from proxy.model.headers import NO_EDITS, HeaderEdits
from proxy.model.match import Match
from proxy.model.stage import Stage
from proxy.model.table_test import TableTest

ALL_BP = 10_000
"""All of the traffic, in hundredths of a per cent."""


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


DEFAULTS = (Timeouts(), Limits())
"""What a request may take before its route is known."""


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
