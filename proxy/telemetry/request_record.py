"""What is told of a request: the decision header, and its line in the access log.

The line holds what `plan` and `init` replay: method, host, path, and of headers, cookies and query only
what the table's rules read. Nothing else of a request is in it, so no credential is, unless a rule reads it.
"""

from datetime import UTC, datetime
from hashlib import sha256

from msgspec import UNSET, Struct, UnsetType

from proxy.errors import RequestError
from proxy.model import ALL_BP, Decision, Facts, Route
from proxy.routing.logged_names import LoggedNames
from proxy.routing.predicates import cookie_values, header_values, query_values
from proxy.routing.transforms.trace_context import Identity


class Record(Struct):
    """What is learnt of one request on its walk. Filled in as it goes: the one value here that is edited."""

    table_version: str
    draw_bp: int = 0
    facts: Facts | None = None
    decision: Decision | None = None
    route: Route | None = None
    identity: Identity | None = None
    error: RequestError | None = None
    status: int = 0
    complete: bool = False
    received_bytes: int = 0
    sent_bytes: int = 0
    first_byte_s: float | None = None
    total_s: float = 0.0
    attempts: int = 0
    """How often the request was sent, or a connection for it tried."""


def reason_of(record: Record) -> str:
    """Why the client got what it got: the error's word, else the decision's."""
    if record.error is not None:
        return record.error.reason
    return record.decision.reason if record.decision is not None else "-"


class LogLine(Struct):
    """One request as it is logged: one JSON object. Durations are milliseconds; what is unset is left out."""

    time: datetime
    route: str | None
    backend: str | None
    reason: str
    bucket: float
    status: int
    complete: bool
    received_bytes: int
    sent_bytes: int
    total_ms: float
    attempts: int
    table: str
    request_id: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    first_byte_ms: float | UnsetType = UNSET
    error: str | UnsetType = UNSET
    client: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    target: str | UnsetType = UNSET
    headers: dict[str, list[str]] | UnsetType = UNSET
    cookies: dict[str, list[str]] | UnsetType = UNSET
    query: dict[str, list[str]] | UnsetType = UNSET


def log_line(record: Record, reads: LoggedNames, now: float) -> LogLine:
    """`now` is seconds since the epoch."""
    facts, decision, route = record.facts, record.decision, record.route
    ref = decision.ref if decision is not None else None
    line = LogLine(
        datetime.fromtimestamp(now, UTC),
        route.name if route is not None else None,
        ref.backend if ref is not None else None,
        reason_of(record),
        record.draw_bp * 100 / ALL_BP,
        record.status,
        record.complete,
        record.received_bytes,
        record.sent_bytes,
        round(record.total_s * 1000, 3),
        record.attempts,
        record.table_version,
        *_told(record.identity),
    )
    if record.first_byte_s is not None:
        line.first_byte_ms = round(record.first_byte_s * 1000, 3)
    if record.error is not None:
        line.error = str(record.error)
    if facts is not None:
        for name, value in read_members(facts, reads).items():
            setattr(line, name, value)
    return line


def read_members(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    """What a line tells of the request itself, and of what the table's rules read of it."""
    members: dict[str, object] = {
        "client": facts.client,
        "method": facts.method,
        "host": facts.host.decode("latin-1"),
        "target": facts.path.decode("latin-1"),
    }
    if reads != LoggedNames():
        members |= read_values(facts, reads)
    return members


def _told(identity: Identity | None) -> tuple[str, str] | tuple[()]:
    return (
        ()
        if identity is None
        else (identity.request_id.decode(), identity.trace_id.decode("latin-1"))
    )


def read_values(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    found: dict[str, object] = {}
    for kind, values_of, plain, hashed in (
        ("headers", header_values, reads.headers, reads.hashed_headers),
        ("cookies", cookie_values, reads.cookies, reads.hashed_cookies),
        ("query", query_values, reads.query, ()),
    ):
        if plain or hashed:
            values = {name: values_of(facts, name) for name in plain}
            values |= {name: _hashed(values_of(facts, name)) for name in hashed}
            if present := {name: each for name, each in values.items() if each}:
                found[kind] = present
    return found


def _hashed(values: list[str]) -> list[str]:
    return [sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16] for value in values]
