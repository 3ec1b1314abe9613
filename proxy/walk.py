"""The steps of a request's walk that both tiers take, and what a walk works with."""

import time
from collections.abc import Callable

from msgspec import Struct

from proxy.answers import asks_the_facade
from proxy.backends import Backends
from proxy.decide import Choice, drawn, outcome, settled
from proxy.errors import BadRequest, NoRoute
from proxy.facts import Asker, check_limits, facts_of, read_asker
from proxy.going import Going
from proxy.headers import client_headers
from proxy.identity import REQUEST_ID, Said, identify, said_of
from proxy.log_lines import LineWriter, fixed_part, up_to_target, with_target
from proxy.mapping import mapped_back
from proxy.match import match
from proxy.model import NO_EDITS, Decision, Facts, HeaderPairs, Route
from proxy.reading import RequestHead
from proxy.record import Record, decision_value
from proxy.table import Snapshot, Tables
from proxy.telemetry import AccessLog

_REMEMBERED = 16
"""Lanes of a connection."""


class Kit(Struct, frozen=True):
    """What every walk works with. Made once, in `app.build`."""

    tables: Tables
    backends: Backends
    access_log: AccessLog
    draw: Callable[[], int]
    """A whole number from [0, 10,000), uniform, once for each request."""
    bits: Callable[[], int]
    """`identity.RANDOM_BITS` random bits, once for each request."""
    note: Callable[[Record], None]
    """Counts a request that has ended."""
    writer: LineWriter

    def record(self, snapshot: Snapshot) -> Record:
        """An empty record of a request that begins now."""
        return Record(snapshot.version, self.draw())

    def write_down(self, record: Record, snapshot: Snapshot, fixed: bytes = b"") -> None:
        """The request has ended: count it, and give its line to the access log. `fixed` is its course's part of it."""
        self.note(record)
        log = self.access_log
        if log.enabled:
            log.offer(self.writer.line(record, snapshot, fixed, time.time()))


class Lane(Struct, eq=False):
    """What requests share that carry the same fields and go the same way, whatever they ask for."""

    told: bytes
    """The line that tells a client the decision, if this one may see it."""
    logged: bytes | None
    """`log_lines.up_to_target`."""
    edited: bool
    """The table edits the fields of its answers."""
    going: Going | None = None
    """How they are asked of a backend of ours, once one has been."""


class Course(Struct, eq=False):
    """What requests share that are alike and go the same way (ADR 14). Made by the first of them."""

    facts: Facts
    decision: Decision
    lane: Lane
    logged: bytes
    """The part of their log lines that does not change."""
    counted: dict[int, int]
    """For `Meters`: where they are counted, by status."""
    target: bytes = b""
    """What a backend is asked for, once one has been: see `onward.find_target`."""


class Known(Struct, frozen=True, eq=False):
    """A request that was asked before: what is known of it, and of where it may go."""

    head: RequestHead
    """The very same value is the very same request."""
    facts: Facts
    route: Route | None
    """None if it is for the facade itself."""
    courses: dict[Choice, Course]
    settled: Choice | None = None
    """What is chosen for it each time, unless that is drawn."""


class Looks(Struct, eq=False):
    """What requests share that look alike: the same connection, the same fields, the same table."""

    snapshot: Snapshot
    asker: Asker
    said: Said
    lanes: dict[tuple[int, Choice, str, int], Lane]
    """By route, choice, method and version. Filled in as they are needed."""
    known: Known | None = None
    """The request that was asked last."""


def looks_of(snapshot: Snapshot, headers: HeaderPairs, peer: str, scheme: str) -> Looks:
    """Raises BadRequest."""
    asker = read_asker(headers, peer, scheme, snapshot.trusted)
    return Looks(snapshot, asker, said_of(headers, asker.peer_trusted), {})


def choose(looks: Looks, head: RequestHead, record: Record, bits: int) -> Course | None:
    """Where a request goes; None if it is for the facade itself.

    Notes what is learnt in `record`. Raises RequestError.
    """
    record.identity = identify(looks.said, bits)
    known = looks.known
    if known is None or known.head is not head:
        known = looks.known = _know(looks, head, record)
    record.facts = known.facts
    route = record.route = known.route
    if route is None:
        return None
    choice = known.settled or drawn(route, record.draw_bp)
    course = known.courses.get(choice)
    if course is None:
        course = known.courses[choice] = _course(looks, known.facts, route, choice)
    record.decision = course.decision
    record.counted = course.counted
    return course


def _know(looks: Looks, head: RequestHead, record: Record) -> Known:
    facts = record.facts = facts_of(looks.asker, head.method, head.target, head.minor)
    if not facts.host and head.minor:
        raise BadRequest("the request has no Host header (RFC 9112 3.2)")
    if head.method == "OPTIONS" and asks_the_facade(facts):
        return Known(head, facts, None, {})
    route = record.route = match(looks.snapshot.index, facts)
    if route is None:
        raise NoRoute(f"no route takes {facts.method} {facts.path.decode('latin-1')}")
    check_limits(facts, route.limits, looks.asker.header_bytes)
    return Known(head, facts, route, {}, settled(looks.snapshot.table, route))


def _course(looks: Looks, facts: Facts, route: Route, choice: Choice) -> Course:
    decision = outcome(route, facts, choice)
    key = (id(route), choice, facts.method, facts.minor)
    lane = looks.lanes.get(key)
    if lane is None:
        if len(looks.lanes) >= _REMEMBERED:
            looks.lanes.clear()
        lane = looks.lanes[key] = _lane(looks, facts, decision)
    if lane.logged is None:
        logged = fixed_part(facts, decision, looks.snapshot, looks.said.request_id)
    else:
        logged = with_target(lane.logged, facts)
    return Course(facts, decision, lane, logged, {})


def _lane(looks: Looks, facts: Facts, decision: Decision) -> Lane:
    snapshot = looks.snapshot
    told = b""
    if facts.client in snapshot.exposed:
        said = decision_value(Record(snapshot.version, decision=decision, route=decision.route))
        told = b"%b: %b\r\n" % (snapshot.decision_header, said)
    logged = up_to_target(facts, decision, snapshot, looks.said.request_id)
    return Lane(told, logged, _edits_answers(decision))


def _edits_answers(decision: Decision) -> bool:
    ref = decision.ref
    return decision.route.response != NO_EDITS or (ref is not None and ref.response != NO_EDITS)


def in_clients_words(headers: HeaderPairs, snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The fields of an upstream's answer, interim or final: mapped back, and edited as the table wants."""
    decision, facts = record.decision, record.facts
    assert decision is not None
    assert decision.ref is not None
    assert facts is not None
    backend = snapshot.backends[decision.ref.backend]
    headers = mapped_back(headers, decision, backend, facts.host)
    kept = client_headers(headers, decision, snapshot.decision_header)
    return [pair for pair in kept if pair[0] != REQUEST_ID]


def told_of(snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The request's id; and the decision, for the clients that may see it."""
    told: HeaderPairs = []
    if record.identity is not None:
        told.append((REQUEST_ID, record.identity.request_id))
    facts = record.facts
    if facts is not None and facts.client in snapshot.exposed:
        told.append((snapshot.decision_header, decision_value(record)))
    return told
