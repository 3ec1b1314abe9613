"""Plans usual requests: finds the prepared route of a head and the field lines for its backend (ADR 21)."""

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.keyed_route import KeyedRoute, keyed_route
from proxy.forwarding.prepared_route import Choices, PreparedRoute, prepared_choices
from proxy.forwarding.read_fields import NOTHING_READ, SeenFields, field_reader
from proxy.http1.known_lines import FORWARDING, IDS, REPORTING, RESTRICTED, SENT, STATE, VIA, Line
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_writer import field_lines
from proxy.model import Facts, HeaderPairs, Limits, MatchedRoute
from proxy.routing.facts import client_address
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.facade_fields import PREFIX, forwarding_fields
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.trace_context import (
    NO_CLAIMS,
    REQUEST_ID,
    TRACEPARENT,
    ClaimedIds,
    Identity,
    claimed_ids,
)

_MAX_PROFILES = 1024
_IDS = 1 << IDS | 1 << STATE
_ALWAYS_SPECIAL = 1 << VIA | _IDS | 1 << REPORTING
_REPORTS = 1 << FORWARDING | 1 << REPORTING | 1 << VIA
_MAX_REPORT_BYTES = 256
_NO_FIELDS: HeaderPairs = []

_Shared = tuple[str, str, bytes, int]
"""Peer, scheme, Host and HTTP version."""


class ClientProfile(Struct, frozen=True, eq=False):
    """Values that depend only on peer, scheme, Host, HTTP version, and on the reports of proxies in front."""

    peer_trusted: bool
    client: str
    """The client's address: the peer's, or the one that a trusted peer reports."""
    logged: bytes
    """The client's address for the log line."""
    may_see_decision: bool
    forwarding: bytes
    """The lines of `X-Forwarded-*`, `Forwarded` and `Via` that follow the copied ones."""
    special: int
    """The kinds of lines that are not simply copied; see `QuickHead.special`."""
    reports: int
    """The kinds among them on which another profile depends."""


class QuickPlan(Struct, frozen=True, eq=False):
    """The plan for one usual request: its prepared route, its path and its field lines."""

    prepared: PreparedRoute
    client: bytes
    may_see_decision: bool
    path: bytes
    """For the backend, without the query."""
    block: bytes
    """The field lines for the backend, without Host, ids and framing."""
    claimed: ClaimedIds
    read: bytes
    """The part of the log line with the values that the rules of the table read; mostly empty."""
    bucket_bp: int
    """The draw, or the bucket of the request in its cohort."""


class QuickRoutes:
    """Prepared routes and client profiles of one snapshot. The table bounds the former, `_MAX_PROFILES` the latter."""

    __slots__ = (
        "_choices",
        "_forwarded",
        "_forwarder",
        "_profiles",
        "_reads",
        "_reported",
        "snapshot",
        "special",
    )

    def __init__(self, forwarder: Forwarder, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.special: QuickPlan | None = None
        """The plan of the last request, if it is copied to another backend, or judged (`SpecialRoutes`)."""
        self._forwarder = forwarder
        self._forwarded = snapshot.table.forwarded
        self._reads = field_reader(snapshot.table, snapshot.reads)
        self._choices: dict[tuple[int, str], Choices | KeyedRoute] = {}
        self._profiles: dict[_Shared, ClientProfile] = {}
        self._reported: dict[tuple[_Shared, tuple[Line, ...]], ClientProfile] = {}

    def plan(self, head: QuickHead, client: ClientConnection, draw_bp: int) -> QuickPlan | None:
        """None for a request that has to go the general way."""
        method, path, host, minor = head.method, head.path, head.host, head.minor
        peer, scheme = client.peer, client.scheme
        shared = (peer, scheme, host, minor)
        profile = self._profiles.get(shared) or self._new_profile(*shared)
        special = head.special & profile.special
        fields, reads, query = _NO_FIELDS, self._reads, head.query
        if special:
            fields = head.headers
            profile, special = self._reporting(profile, special, shared, head.lines)
        elif reads is not None:
            fields = reads.of(head)
        trusted = profile.peer_trusted
        has_query, q = query != b"", query[1:]
        facts = Facts(
            method, host, path, q, fields, profile.client, scheme, peer, trusted, has_query, minor
        )
        matched = self.snapshot.index.find(facts, path)
        if matched is None:
            return None
        prepared = None
        seen = NOTHING_READ if reads is None else reads.seen(head, facts)
        choices = self._choices.get((id(matched), method)) or self._new_choices(matched, method)
        if isinstance(choices, KeyedRoute):
            prepared, draw_bp = choices.choose(facts, seen, draw_bp)
        else:
            for edge_bp, choice in choices:
                if draw_bp < edge_bp:
                    prepared = choice
                    break
        if prepared is None or not (prepared.takes_any_head or _within(head, prepared.limits)):
            return None
        policy, lines, claimed = prepared.policy, head.lines, NO_CLAIMS
        if head.special & profile.special:
            copied = _copied_lines(special, prepared, facts, lines)
            if copied is None:
                return self._special(head, prepared, facts, seen, draw_bp)
            claimed, lines = copied
        rewritten = prepared.rewritten
        block = b"".join(map(SENT, lines)) if policy is None else policy.block(lines)
        return QuickPlan(
            prepared,
            profile.logged,
            profile.may_see_decision,
            path if rewritten is None else rewritten(path),
            block + profile.forwarding,
            claimed,
            seen.logged,
            draw_bp,
        )

    def prepared(self) -> list[object]:
        """The prepared routes so far, by route and method."""
        return [*self._choices.values()]

    def _new_choices(self, matched: MatchedRoute, method: str) -> Choices | KeyedRoute:
        choices: Choices | KeyedRoute | None
        choices = keyed_route(self._forwarder, self.snapshot, matched, method)
        if choices is None:
            choices = prepared_choices(self._forwarder, self.snapshot, matched, method)
        self._choices[(id(matched), method)] = choices
        return choices

    def _new_profile(self, peer: str, scheme: str, host: bytes, minor: int) -> ClientProfile:
        snapshot = self.snapshot
        trusted = peer in snapshot.trusted
        special, reports = _ALWAYS_SPECIAL, 1 << VIA
        if trusted:
            special |= _REPORTS
            reports = _REPORTS
        if self._forwarded.allow_headers:
            special |= 1 << RESTRICTED | 1 << FORWARDING
        profile = self._profile((peer, scheme, host, minor), trusted, _NO_FIELDS, special, reports)
        if len(self._profiles) >= _MAX_PROFILES:
            self._profiles.clear()
        self._profiles[(peer, scheme, host, minor)] = profile
        return profile

    def _reporting(
        self, profile: ClientProfile, special: int, shared: _Shared, lines: list[Line]
    ) -> tuple[ClientProfile, int]:
        """The profile of a request that has the lines of proxies in front, and the kinds that are special still."""
        kinds = profile.reports
        if not special & kinds:
            return profile, special
        of_proxies = tuple([line for line in lines if kinds >> line[0] & 1])
        found = self._reported.get((shared, of_proxies))
        if found is None:
            fields = [(line[1], line[2]) for line in of_proxies]
            found = self._profile(shared, profile.peer_trusted, fields, profile.special, kinds)
            if len(self._reported) >= _MAX_PROFILES:
                self._reported.clear()
            if sum(len(value) for _, value in fields) <= _MAX_REPORT_BYTES:
                self._reported[(shared, of_proxies)] = found
        return found, special & ~kinds

    def _profile(
        self, shared: _Shared, trusted: bool, fields: HeaderPairs, special: int, reports: int
    ) -> ClientProfile:
        """`fields` are those of proxies in front that go on."""
        peer, scheme, host, minor = shared
        snapshot = self.snapshot
        client = client_address(peer, fields, snapshot.trusted)
        facts = Facts("", host, b"", b"", fields, client, scheme, peer, trusted, minor=minor)
        added = field_lines(forwarding_fields(fields, facts, self._forwarded.via))
        exposed = client in snapshot.exposed
        return ClientProfile(trusted, client, client.encode(), exposed, added, special, reports)

    def _special(
        self,
        head: QuickHead,
        prepared: PreparedRoute,
        facts: Facts,
        seen: SeenFields,
        bucket_bp: int,
    ) -> QuickPlan | None:
        """The plan for a request with special lines."""
        if prepared.taken and any(line[1] == PREFIX for line in head.lines):
            return None
        claimed = claimed_ids(facts.headers, facts.peer_trusted)
        if not _is_loggable(claimed):
            return None
        block = self._general_block(prepared, facts, claimed)
        path = facts.path
        if prepared.rewritten is not None:
            path = prepared.rewritten(path)
        return QuickPlan(
            prepared,
            facts.client.encode(),
            facts.client in self.snapshot.exposed,
            path,
            block,
            claimed,
            seen.logged,
            bucket_bp,
        )

    def _general_block(self, prepared: PreparedRoute, facts: Facts, claimed: ClaimedIds) -> bytes:
        """The field lines of the general way, without the ids and without the lines that the table adds."""
        identity = Identity(b"", b"", b"", claimed.traceparent is not None)
        fields = upstream_headers(
            facts, prepared.matched, prepared.ref, prepared.backend, self._forwarded, identity
        )
        lines = field_lines([pair for pair in fields if pair[0] not in (REQUEST_ID, TRACEPARENT)])
        return lines.removesuffix(prepared.added)


def _copied_lines(
    special: int, prepared: PreparedRoute, facts: Facts, lines: list[Line]
) -> tuple[ClaimedIds, list[Line]] | None:
    """The ids that the client claims, and the lines to copy. None if more than copying is needed.

    A request with lines of proxies in front is planned like one without: its profile has their values. `tracestate`
    goes on with the trace parent that it belongs to.
    """
    policy = prepared.policy
    if special & ~_IDS or (policy is not None and policy.only is not None):
        return None
    if prepared.taken and any(line[1] == PREFIX for line in lines):
        return None
    if not special:
        return NO_CLAIMS, lines
    claimed = claimed_ids(facts.headers, facts.peer_trusted)
    if not _is_loggable(claimed):
        return None
    if claimed.traceparent is None:
        lines = [line for line in lines if line[0] != STATE]
    return claimed, lines


def _within(head: QuickHead, limits: Limits) -> bool:
    """Whether the head is certainly within the limits. `head_bytes` is an upper bound of names and values."""
    return (
        head.head_bytes <= limits.max_header_bytes
        and len(head.path) + len(head.query) <= limits.max_uri_bytes
        and len(head.lines) <= limits.max_headers
        and len(head.body) <= limits.max_body_bytes
    )


def _is_loggable(claimed: ClaimedIds) -> bool:
    """Whether a JSON string can contain the request id without escapes."""
    request_id = claimed.request_id
    return request_id is None or not (b'"' in request_id or b"\\" in request_id)
