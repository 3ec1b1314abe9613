"""Prepared routes: everything that depends only on route, method and chosen reference. Made once a table (ADR 21)."""

from collections.abc import Callable

from msgspec import Struct

from proxy.forwarding.field_policy import FieldPolicy, field_policy, removed_fields
from proxy.forwarding.forwarder import Forwarder
from proxy.http1.quick_head import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_LINES
from proxy.http1.request_writer import field_lines
from proxy.model import (
    ALL_BP,
    SAFE_METHODS,
    Backend,
    BackendRef,
    Decision,
    HeaderEdits,
    HeaderPairs,
    Limits,
    MatchedRoute,
    Route,
    Timeouts,
)
from proxy.routing.decide import Choice, fixed_choice, mirrored_to
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.next_step import attempt_timeouts
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.facade_fields import (
    PREFIX,
    SHARED_FIELDS,
    taken_prefix,
)
from proxy.routing.transforms.headers import edited_request, replaced_names
from proxy.routing.transforms.response import PreparedEdits, decision_value, prepared_edits
from proxy.routing.transforms.trace_context import REQUEST_ID
from proxy.routing.upstream_path import path_rewriter
from proxy.telemetry.counters import CountedRoute
from proxy.telemetry.log_line import mirrored_part, route_part
from proxy.telemetry.route_figures import is_watched
from proxy.upstream import HttpUpstream


class PreparedRoute(Struct, frozen=True, eq=False):
    """Shared by the requests of one method that a route sends to one of its references."""

    route: Route
    ref: BackendRef
    backend: Backend
    reason: str
    upstream: HttpUpstream
    timeouts: Timeouts
    limits: Limits
    takes_any_head: bool
    """The route's limits are at least those of the quick reader: no head has to be checked."""
    method: bytes
    repeatable: bool
    """A request without a body may be sent again if no byte of a response came (RFC 9110 9.2.2)."""
    is_head: bool
    host: bytes | None
    """The Host for the backend, if the table fixes it."""
    preserve_host: bool
    rewritten: Callable[[bytes], bytes] | None
    """The path for the backend, of the path of a request. None: it stays."""
    taken: bytes
    """The prefix that the rewrite takes away, see `taken_prefix`."""
    policy: FieldPolicy | None
    added: bytes
    """Field lines that the table sets or adds, and that of the prefix that was taken away."""
    response_edits: PreparedEdits | None
    decision_line: bytes
    logged: bytes
    counted: CountedRoute
    matched: MatchedRoute
    """The route, with the match that took the requests."""
    copied: bytes
    """The part of the log line of a request that is copied to another backend (rule 6). Empty if none is."""
    copied_to: str
    """The backend that gets those copies."""
    copies_all: bool
    """Every request is copied, so `logged` has that part already."""
    judged: bool
    """The attempts are judged (ADR 28). `logged` is that of a request with a good response."""


Choices = tuple[tuple[int, PreparedRoute | None], ...]
"""The references of a route, each with the upper bound of its draws, exclusive, up to 10,000.

None instead of a prepared route: these requests go the general way.
"""


TO_THE_GENERAL_WAY: Choices = ((ALL_BP, None),)


def prepared_choices(
    forwarder: Forwarder, snapshot: Snapshot, matched: MatchedRoute, method: str
) -> Choices:
    """The prepared routes for requests of `method` that a route takes. Of a route with a cohort: see `keyed_route`."""
    if method == "OPTIONS" and snapshot.has_cors:
        # A preflight may belong to another route.
        return TO_THE_GENERAL_WAY
    fixed = fixed_choice(snapshot.table, matched.route)
    if fixed is not None:
        return ((ALL_BP, _prepared(forwarder, snapshot, matched, method, fixed)),)
    return choices_by_bucket(forwarder, snapshot, matched, method, "draw")


def choices_by_bucket(
    forwarder: Forwarder, snapshot: Snapshot, matched: MatchedRoute, method: str, reason: str
) -> Choices:
    """The prepared routes by draw or by bucket; `reason` is that of the decision."""
    route = matched.route
    edges: list[tuple[int, PreparedRoute | None]] = []
    edge_bp = 0
    for at in range(len(route.backend_refs) - 1, -1, -1):
        edge_bp = edge_bp + route.backend_refs[at].weight_bp if at else ALL_BP
        edges.append((edge_bp, _prepared(forwarder, snapshot, matched, method, (at, reason))))
    return tuple(edges)


def _sets_cookie(route: Route, method: str) -> bool:
    """Whether a response carries the cookie of the client's last write."""
    cohort = route.cohort
    writes = method not in SAFE_METHODS
    return writes and cohort is not None and cohort.read_your_writes is not None


def _prepared(
    forwarder: Forwarder, snapshot: Snapshot, matched: MatchedRoute, method: str, choice: Choice
) -> PreparedRoute | None:
    route, (at, reason) = matched.route, choice
    if at < 0 or _sets_cookie(route, method):
        return None
    ref = route.backend_refs[at]
    backend = snapshot.backends[ref.backend]
    upstream = forwarder.upstreams.of(backend)
    edits = (route.request, ref.request)
    if not isinstance(upstream, HttpUpstream) or upstream.reads_requests:
        return None
    if _reads_request(route, ref):
        return None
    if _edits_facade_fields(snapshot, route, ref) or not SHARED_FIELDS.isdisjoint(
        removed_fields(backend)
    ):
        return None
    rewrite = ref.rewrite
    taken = taken_prefix(matched.match, rewrite)
    host = None if rewrite is None or rewrite.hostname is None else rewrite.hostname.encode()
    value = decision_value(route, ref.backend, reason)
    copied_to = "" if forwarder.copies is None else _copied_to(route, method, choice)
    copied = mirrored_part(copied_to) if copied_to else b""
    if route.recovers and copied:
        return None
    copies_all = copied != b"" and mirror_of(route).percent_bp == ALL_BP
    return PreparedRoute(
        route,
        ref,
        backend,
        reason,
        upstream,
        attempt_timeouts(Decision(route, reason, ref)),
        route.limits,
        _takes_any_head(route.limits),
        method.encode(),
        method in SAFE_METHODS,
        method == "HEAD",
        host,
        backend.preserve_host,
        path_rewriter(matched.match, rewrite),
        taken,
        field_policy(backend, edits),
        _added(route, ref, backend, taken),
        prepared_edits(route.response, ref.response),
        field_lines([(snapshot.decision_header, value)]),
        route_part(route, ref.backend, reason, snapshot.version)
        + (copied[1:] + b"," if copies_all else b"")
        + (b"" if route.response_ok is None else b'"response_ok":true,'),
        CountedRoute(route.name, ref.backend, reason, is_watched(route)),
        matched,
        copied,
        copied_to,
        copies_all,
        route.recovers,
    )


def _copied_to(route: Route, method: str, choice: Choice) -> str:
    """Empty if no such request is copied."""
    at, reason = choice
    to = () if reason == "kill_switch" else mirrored_to(route, method, route.backend_refs[at])
    return to[0] if to else ""


def _reads_request(route: Route, ref: BackendRef) -> bool:
    """Whether values of each request decide what is sent to the backend or the client."""
    edits = (route.request, ref.request, route.response, ref.response)
    if route.cors is not None or any(each.reads_request for each in edits):
        return True
    return ref.rewrite is not None and ref.rewrite.reads_request


def _takes_any_head(limits: Limits) -> bool:
    least_bytes = min(limits.max_header_bytes, limits.max_uri_bytes)
    return (
        least_bytes >= MAX_HEAD_BYTES
        and limits.max_headers >= MAX_LINES
        and limits.max_body_bytes >= MAX_BODY_BYTES
    )


def _edits_facade_fields(snapshot: Snapshot, route: Route, ref: BackendRef) -> bool:
    """Whether the table edits fields that the facade adds to every request or response."""
    of_responses = frozenset((REQUEST_ID, snapshot.decision_header))
    return any(
        not fields.isdisjoint(_edited_names(edits))
        for fields, edits in (
            (SHARED_FIELDS, route.request),
            (SHARED_FIELDS, ref.request),
            (of_responses, route.response),
            (of_responses, ref.response),
        )
    )


def _edited_names(edits: HeaderEdits) -> set[bytes]:
    return replaced_names(edits) | {name for name, _ in edits.add}


def _added(route: Route, ref: BackendRef, backend: Backend, taken: bytes) -> bytes:
    """The lines that the general way has behind the ids."""
    own: HeaderPairs = [] if not taken or PREFIX in removed_fields(backend) else [(PREFIX, taken)]
    return field_lines(edited_request(own, route, ref, None))
