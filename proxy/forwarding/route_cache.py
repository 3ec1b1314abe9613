"""What a connection remembers of its requests: facts, decisions, prepared requests (ADR 11, 14)."""

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.forwarding.prepared_request import PreparedRequest
from proxy.http1.request_head import RequestHead
from proxy.model import NO_EDITS, Decision, Facts, HeaderPairs, Match, Route
from proxy.routing.decide import Choice, decision_for, weighted_choice
from proxy.routing.facts import ClientFacts, facts_of_request, read_client
from proxy.routing.resolve import resolve
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.response import decision_value
from proxy.routing.transforms.trace_context import ClaimedIds, claimed_ids
from proxy.telemetry.log_line import fixed_part, up_to_target, with_target
from proxy.telemetry.request_record import Record

_MAX_ENTRIES = 16


class RouteCacheEntry(Struct, eq=False):
    """Shared by the requests of a connection with the same fields and the same choice, for any target."""

    decision_line: bytes
    """The response field that shows the decision, if this client may see it."""
    logged: bytes | None
    """`log_line.up_to_target`."""
    edited: bool
    """Whether the table edits the fields of responses."""
    prepared: PreparedRequest | None = None
    """Set by the first request to a backend."""


class CachedDecision(Struct, eq=False):
    """Shared by requests with an identical head and the same choice (ADR 14)."""

    facts: Facts
    decision: Decision
    entry: RouteCacheEntry
    logged: bytes
    """The constant part of the log line."""
    counted: dict[int, int]
    """The places of the request counters, by status. `telemetry.counters` fills it in."""
    target: bytes = b""
    """The target for the backend. Set by the first request to a backend."""


UNDECIDED = CachedDecision(
    Facts("", b"", b"", b"", [], ""),
    Decision(Route("-", Match()), "-"),
    RouteCacheEntry(b"", None, False),
    b"",
    {},
)
"""Stands for the decision of a request that has none yet, or is for the facade itself."""


class LastRequest(Struct, frozen=True, eq=False):
    """The last request of a connection: the same head value means the same facts and route."""

    head: RequestHead
    facts: Facts
    route: Route | None
    """None if the request is for the facade itself."""
    decisions: dict[Choice, CachedDecision]
    fixed_choice: Choice | None = None
    """The choice for every such request, unless it depends on the draw."""


class ConnectionState(Struct, eq=False):
    """State of a connection, valid for one set of header fields and one snapshot."""

    snapshot: Snapshot
    asker: ClientFacts
    said: ClaimedIds
    entries: dict[tuple[int, Choice, str, int], RouteCacheEntry]
    """By route, choice, method and HTTP version."""
    last: LastRequest | None = None


def connection_state(
    client: ClientConnection, headers: HeaderPairs, snapshot: Snapshot
) -> ConnectionState:
    """The state of a connection of our own server; made anew for other fields or a new table. Raises BadRequest."""
    state = client.state
    if (
        isinstance(state, ConnectionState)
        and state.asker.headers is headers
        and state.snapshot is snapshot
    ):
        return state
    client.state = state = new_connection_state(snapshot, headers, client.peer, client.scheme)
    return state


def new_connection_state(
    snapshot: Snapshot, headers: HeaderPairs, peer: str, scheme: str
) -> ConnectionState:
    """An empty state. Raises BadRequest."""
    asker = read_client(headers, peer, scheme, snapshot.trusted)
    return ConnectionState(snapshot, asker, claimed_ids(headers, asker.peer_trusted), {})


def cached_decision(
    state: ConnectionState, head: RequestHead, record: Record
) -> CachedDecision | None:
    """The decision for a request; None if the request is for the facade itself.

    Fills in `record`. Raises RequestError.
    """
    last = state.last
    if last is None or last.head is not head:
        last = state.last = _resolved(state, head, record)
    record.facts = last.facts
    route = record.route = last.route
    if route is None:
        return None
    choice = last.fixed_choice or weighted_choice(route, record.draw_bp)
    cached = last.decisions.get(choice)
    if cached is None:
        cached = last.decisions[choice] = _decided(state, last.facts, route, choice)
    record.decision = cached.decision
    record.counted = cached.counted
    return cached


def _resolved(state: ConnectionState, head: RequestHead, record: Record) -> LastRequest:
    facts = record.facts = facts_of_request(state.asker, head.method, head.target, head.minor)
    snapshot = state.snapshot
    resolution = resolve(snapshot.table, snapshot.index, facts, state.asker.header_bytes)
    record.route = resolution.route
    if resolution.error is not None:
        raise resolution.error
    return LastRequest(head, facts, resolution.route, {}, resolution.fixed_choice)


def _decided(state: ConnectionState, facts: Facts, route: Route, choice: Choice) -> CachedDecision:
    decision = decision_for(route, facts, choice)
    key = (id(route), choice, facts.method, facts.minor)
    entry = state.entries.get(key)
    if entry is None:
        if len(state.entries) >= _MAX_ENTRIES:
            state.entries.clear()
        entry = state.entries[key] = _entry(state, facts, decision)
    if entry.logged is None:
        logged = fixed_part(facts, decision, state.snapshot, state.said.request_id)
    else:
        logged = with_target(entry.logged, facts)
    return CachedDecision(facts, decision, entry, logged, {})


def _entry(state: ConnectionState, facts: Facts, decision: Decision) -> RouteCacheEntry:
    snapshot = state.snapshot
    line = b""
    if facts.client in snapshot.exposed:
        value = decision_value(decision.route, decision.backend, decision.reason)
        line = b"%b: %b\r\n" % (snapshot.decision_header, value)
    logged = up_to_target(facts, decision, snapshot, state.said.request_id)
    return RouteCacheEntry(line, logged, _edits_responses(decision))


def _edits_responses(decision: Decision) -> bool:
    ref = decision.ref
    return decision.route.response != NO_EDITS or (ref is not None and ref.response != NO_EDITS)
