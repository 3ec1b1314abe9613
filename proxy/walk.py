"""The steps of a request's walk that both tiers take, and what a walk works with."""

import time
from collections.abc import Callable

from msgspec import Struct

from proxy.answers import asks_the_facade
from proxy.backends import Backends
from proxy.decide import decide
from proxy.errors import BadRequest, NoRoute
from proxy.facts import Asker, check_limits, facts_of, read_asker
from proxy.headers import client_headers
from proxy.identity import REQUEST_ID, Said, identify, said_of
from proxy.mapping import mapped_back
from proxy.match import match
from proxy.model import Decision, Facts, HeaderPairs, Route
from proxy.record import Record, decision_value, log_line
from proxy.table import Snapshot, Tables
from proxy.telemetry import AccessLog


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

    def record(self, snapshot: Snapshot) -> Record:
        """An empty record of a request that begins now."""
        return Record(snapshot.version, self.draw())

    def write_down(self, record: Record, snapshot: Snapshot) -> None:
        """The request has ended: count it, and give its line to the access log."""
        self.note(record)
        if self.access_log.enabled:
            self.access_log.offer(log_line(record, snapshot.reads, time.time()))


class Looks(Struct, frozen=True, eq=False):
    """What requests share that look alike: the same connection, the same fields, the same table."""

    snapshot: Snapshot
    asker: Asker
    said: Said
    lines: dict[tuple[int, int], bytes | None]
    """Fields as they go to a backend, by route and reference. Filled in as they are needed."""
    routes: dict[tuple[str, bytes, int], tuple[Facts, Route]]
    """What was asked last, and which route took it: at most one."""


def looks_of(snapshot: Snapshot, headers: HeaderPairs, peer: str, scheme: str) -> Looks:
    """Raises BadRequest."""
    asker = read_asker(headers, peer, scheme, snapshot.trusted)
    return Looks(snapshot, asker, said_of(headers, asker.peer_trusted), {}, {})


def choose(
    looks: Looks, method: str, target: bytes, minor: int, record: Record, bits: int
) -> Decision | None:
    """Where a request of HTTP/1.`minor` goes; None if it is for the facade itself.

    Notes what is learnt in `record`. Raises RequestError.
    """
    snapshot = looks.snapshot
    record.identity = identify(looks.said, bits)
    known = looks.routes.get((method, target, minor))
    if known is not None:
        record.facts, record.route = known
        decision = record.decision = decide(snapshot.table, known[1], known[0], record.draw_bp)
        return decision
    facts = record.facts = facts_of(looks.asker, method, target, minor)
    if not facts.host and minor:
        raise BadRequest("the request has no Host header (RFC 9112 3.2)")
    if method == "OPTIONS" and asks_the_facade(facts):
        return None
    route = record.route = match(snapshot.index, facts)
    if route is None:
        raise NoRoute(f"no route takes {facts.method} {facts.path.decode('latin-1')}")
    check_limits(facts, route.limits, looks.asker.header_bytes)
    looks.routes.clear()
    looks.routes[(method, target, minor)] = (facts, route)
    decision = record.decision = decide(snapshot.table, route, facts, record.draw_bp)
    return decision


def answer_fields(headers: HeaderPairs, snapshot: Snapshot, record: Record) -> HeaderPairs:
    """An upstream's fields for the client, and what the facade tells. Framing is the upstream's still."""
    kept = in_clients_words(headers, snapshot, record)
    return [*kept, *told_of(snapshot, record)]


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
        told.append((REQUEST_ID, record.identity.request_id.encode()))
    facts = record.facts
    if facts is not None and facts.client in snapshot.exposed:
        told.append((snapshot.decision_header, decision_value(record)))
    return told
