"""The route table: routes and settings.

Names of numbers end in their unit. Percentages of traffic are whole hundredths of a per cent (`*_bp`,
0..10,000): two decimals in the file, and no rounding.
"""

from typing import Literal

from msgspec import Struct

from proxy.model.backend import Backend, Endpoint, TlsFile
from proxy.model.cohort import Cohort, Override
from proxy.model.compare import CompareRules
from proxy.model.cors import Cors
from proxy.model.error_body import ErrorBodies, ErrorFile
from proxy.model.headers import NO_EDITS, HeaderEdits
from proxy.model.match import Match
from proxy.model.path_policy import STRICT_PATHS, PathPolicy
from proxy.model.recovery import SINGLE_WRITER, Fallback, ResponseOk, Retry, Writes
from proxy.model.rollout import Rollout
from proxy.model.signing import KeyFile, SigningKeys
from proxy.model.stage import Stage
from proxy.model.table_test import TableTest
from proxy.model.values import QueryEdits, RequestValue

ALL_BP = 10_000
"""All of the traffic, in hundredths of a per cent."""


class Rewrite(Struct, frozen=True):
    """A rewrite of the upstream request. At most one of the path fields is set."""

    prefix: str | None = None
    """Replaces the matched prefix (`replace_prefix_match`)."""
    full_path: str | None = None
    template: str | None = None
    hostname: str | None = None
    values: tuple[tuple[str, RequestValue], ...] = ()
    """The segments of `template` that are values of the request, if the route's template has no such parameter."""
    query: QueryEdits | None = None
    reverse: tuple[str, str] | None = None
    """A prefix of paths in responses, and what replaces it, in place of the inverse of the rewrite."""

    @property
    def reads_request(self) -> bool:
        """Whether more than the path decides what is sent."""
        return self.query is not None or bool(self.values)


class BackendRef(Struct, frozen=True):
    """A backend of a route, with its weight, rewrite and header edits."""

    backend: str
    weight_bp: int = ALL_BP
    rewrite: Rewrite | None = None
    request: HeaderEdits = NO_EDITS
    response: HeaderEdits = NO_EDITS


class Timeouts(Struct, frozen=True):
    """Timeouts in seconds (ADR 7).

    `request` runs from the last byte of the request to the head of the response, over all attempts;
    `backend_request` is the same for one attempt, as long as `request` if None. `stream_idle` bounds each pause in
    a response body, `body_idle` each pause in a request body. `total` runs from the head of the request to the end of
    the response; it does not apply to tunnels (WebSockets), in which `tunnel_idle` bounds each silence of both
    directions.
    """

    connect_s: float = 2.0
    request_s: float = 60.0
    backend_request_s: float | None = None
    stream_idle_s: float = 60.0
    body_idle_s: float = 30.0
    total_s: float = 3600.0
    tunnel_idle_s: float = 3600.0
    spent_s: float = 0.0
    """How much of `request` had passed when the attempt began that these are for."""

    @property
    def remaining_s(self) -> float:
        """What is left of `request`."""
        return max(0.0, self.request_s - self.spent_s)

    @property
    def attempt_s(self) -> float:
        """How long the attempt may take."""
        own_s = self.backend_request_s
        return self.remaining_s if own_s is None else min(own_s, self.remaining_s)

    @property
    def attempt_field(self) -> str:
        """The field of the table that bounds the attempt, with its value."""
        own_s = self.backend_request_s
        if own_s is not None and own_s <= self.remaining_s:
            return f"backend_request: {own_s:g}s"
        return f"request: {self.request_s:g}s"


class Limits(Struct, frozen=True):
    """Limits of one request."""

    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_uri_bytes: int = 8 * 1024
    max_body_bytes: int = 50 * 1024 * 1024
    min_body_rate: int = 240
    """The lowest average rate of a request body in bytes a second, checked after 5 seconds. 0 is no limit."""


DEFAULTS = (Timeouts(), Limits())
"""The timeouts and limits of a request before its route is known."""


class DirectResponse(Struct, frozen=True):
    """A response of the facade itself."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Redirect(Struct, frozen=True):
    """A redirect. Its Location has the parts of the request's URL, each replaced if it is given."""

    status: int = 302
    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    path: str | None = None
    prefix: str | None = None
    """Replaces the matched prefix."""
    template: str | None = None
    values: tuple[tuple[str, RequestValue], ...] = ()
    """As in `Rewrite`."""
    query: QueryEdits | None = None


class Mirror(Struct, frozen=True):
    """Copies to the other backend (rule 6). `percent_bp` is the percentage of the requests that are copied."""

    percent_bp: int = ALL_BP
    max_concurrency: int = 20
    """Concurrent copies of the facade; more are dropped."""
    timeout_s: float = 5.0
    """From the start of a copy to the end of its response."""
    max_body_bytes: int = 1024 * 1024
    """The largest request body that is copied; and how much of a response body is kept for the comparison."""
    forward_credentials: bool = False
    """Whether copies have the client's `Authorization`."""
    sandbox: Endpoint | None = None
    """Gets the copies of writes. Without it only safe methods are copied (rule 5)."""
    compare: CompareRules | None = None
    """How the two responses are compared. None: they are not."""


DEFAULT_MIRROR = Mirror()
"""The copies of a route in stage shadow that has no `mirror`."""


class Route(Struct, frozen=True):
    """A seam of the monolith: its matches, its backends, and the stage of its migration."""

    name: str
    matches: tuple[Match, ...]
    """The alternatives: any of them takes a request. At least one."""
    backend_refs: tuple[BackendRef, ...] = ()
    """With a stage: the incumbent, then the newcomer. Empty with `direct_response` or `redirect`. A retired route
    may keep them for a rollback, but gives a local reply."""
    stage: Stage | None = None
    priority: int = 0
    cohort: Cohort | None = None
    override: Override | None = None
    mirror: Mirror | None = None
    direct_response: DirectResponse | None = None
    redirect: Redirect | None = None
    request: HeaderEdits = NO_EDITS
    response: HeaderEdits = NO_EDITS
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    tunnels: Literal["keep", "drain"] = "keep"
    """Whether tunnels (WebSockets) end when the route sends nothing more to their backend."""
    errors: ErrorBodies = ()
    """The bodies of error responses to its requests, those of the defaults included."""
    cors: Cors | None = None
    line: int = 0
    """The line in the file, from 1; 0 for a route without a file."""
    match_positions: tuple[tuple[int, int], ...] = ()
    """Line and column of each match, if there are several."""
    path_policy: PathPolicy = STRICT_PATHS
    """The values of the defaults included."""
    rollout: Rollout | None = None
    response_ok: ResponseOk | None = None
    retry: Retry | None = None
    fallback: Fallback | None = None
    writes: Writes = SINGLE_WRITER

    @property
    def recovers(self) -> bool:
        """Whether attempts are judged: by `response_ok`, or because another one may follow."""
        return not (self.response_ok is None and self.retry is None and self.fallback is None)


class Explain(Struct, frozen=True):
    """The header with the decision, and the networks (CIDR) of the clients that get it."""

    response_header: str = "x-facade-decision"
    expose_to: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


class Forwarded(Struct, frozen=True):
    """Forwarding fields: whose are trusted, and what passes and is added.

    `trusted_proxies` are networks (CIDR); `allow_headers` are client headers that pass although they are dropped by
    default (rule 14).
    """

    trusted_proxies: tuple[str, ...] = ()
    allow_headers: frozenset[str] = frozenset()
    via: bool = True
    """Whether the facade adds itself to Via (RFC 9110 7.6.3)."""


class Listener(Struct, frozen=True):
    """Limits of client connections, for each worker."""

    head_timeout_s: float = 10.0
    """From the first byte of a head, or the start of the connection, to the end of the head."""
    idle_timeout_s: float = 75.0
    """The longest pause between two requests of a connection."""
    max_connections: int = 10_000
    max_connections_per_client: int = 2_000
    """Connections of one peer address. Peers in `trusted_proxies` are exempt."""


class RouteTable(Struct, frozen=True):
    """A valid table. Routes are in file order."""

    routes: tuple[Route, ...]
    backends: tuple[Backend, ...]
    kill_switch: bool = False
    explain: Explain = Explain()
    forwarded: Forwarded = Forwarded()
    tests: tuple[TableTest, ...] = ()
    min_route_coverage: float = 0.0
    """The percentage of routes that the tests have to reach."""
    listener: Listener = Listener()
    tls_files: tuple[TlsFile, ...] = ()
    """The files that the loader of the table has to read; the core reads none."""
    errors: ErrorBodies = ()
    """The bodies of error responses to requests without a route."""
    error_files: tuple[ErrorFile, ...] = ()
    key_files: tuple[KeyFile, ...] = ()
    keys: SigningKeys = {}
    """The keys in the `key_files`. Empty if no files were loaded (`proxy.control.key_files`)."""
    """The files of all error bodies, read by the loader of the table."""
    without_parameters: frozenset[str] = frozenset()
    """The backends that get paths without their parameters (`;name=value`)."""
