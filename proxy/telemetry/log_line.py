"""The line of a request in the access log.

A line holds what `plan` and `init` replay: method, host, path, and of headers, cookies and query only what the
table's rules read. Nothing else of a request is logged, so no credentials are, unless a rule reads them.

`log_line` defines the members of a line. `LineWriter` encodes it: in general with msgspec; for a request that ended
normally with a format string, around a part that is encoded once for each cached decision (ADR 14).
"""

from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from msgspec import UNSET, Struct, UnsetType

from proxy.model import ALL_BP, Decision, Facts
from proxy.routing.logged_names import LoggedNames
from proxy.routing.predicates import cookie_values, header_values, query_values
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import Identity
from proxy.telemetry.request_record import Record, reason_of


class LogLine(Struct):
    """One request as one JSON object. Durations are milliseconds; unset members are left out."""

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
    """`now` is in seconds since the epoch."""
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
        *_ids(record.identity),
    )
    if record.first_byte_s is not None:
        line.first_byte_ms = round(record.first_byte_s * 1000, 3)
    if record.error is not None:
        line.error = str(record.error)
    if facts is not None:
        for name, value in read_members(facts, reads).items():
            setattr(line, name, value)
    return line


def _ids(identity: Identity | None) -> tuple[str, str] | tuple[()]:
    if identity is None:
        return ()
    return identity.request_id.decode(), identity.trace_id.decode("latin-1")


def read_members(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    """The members that hold the request itself, and the values in it that the table's rules read."""
    members: dict[str, object] = {
        "client": facts.client,
        "method": facts.method,
        "host": facts.host.decode("latin-1"),
        "target": facts.path.decode("latin-1"),
    }
    if reads != LoggedNames():
        members |= _read_values(facts, reads)
    return members


def _read_values(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    headers = {name: header_values(facts, name) for name in reads.headers}
    headers |= {name: _hashed(header_values(facts, name)) for name in reads.hashed_headers}
    cookies = {name: cookie_values(facts, name) for name in reads.cookies}
    cookies |= {name: _hashed(cookie_values(facts, name)) for name in reads.hashed_cookies}
    query = {name: query_values(facts, name) for name in reads.query}
    members = {"headers": _present(headers), "cookies": _present(cookies), "query": _present(query)}
    return {kind: values for kind, values in members.items() if values}


def _present(values_by_name: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in values_by_name.items() if values}


def _hashed(values: list[str]) -> list[str]:
    return [sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16] for value in values]


# --- bytes ----------------------------------------------------------------------------------------

_FORMAT = (
    b'{"time":"%b.%06dZ","bucket":%.2f,"status":%d,"complete":true,"received_bytes":%d,"sent_bytes":%d,'
    b'"total_ms":%.3f,"first_byte_ms":%.3f,"attempts":%d,"request_id":"%b","trace_id":"%b",%b'
)
_PER_CENT = 100 / ALL_BP
# The characters of a client's request id that JSON escapes; the format string cannot.
_ESCAPED = (b'"', b"\\")


class LineWriter:
    """Encodes lines. Keeps the text of the current second: most lines share it."""

    __slots__ = ("_encode", "_second", "_stamp")

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._second = -1
        self._stamp = b""

    def line(self, record: Record, snapshot: Snapshot, fixed: bytes, now: float) -> bytes:
        """`now` is in seconds since the epoch. `fixed` comes from `fixed_part`; if it is empty, msgspec encodes all."""
        first_byte_s, identity = record.first_byte_s, record.identity
        usual = fixed and record.complete and record.error is None
        if not usual or first_byte_s is None or identity is None:
            return self._encode(log_line(record, snapshot.reads, now))
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return _FORMAT % (
            self._stamp,
            (now - second) * 1e6,
            record.draw_bp * _PER_CENT,
            record.status,
            record.received_bytes,
            record.sent_bytes,
            record.total_s * 1e3,
            first_byte_s * 1e3,
            record.attempts,
            identity.request_id,
            identity.trace_id,
            fixed,
        )


def fixed_part(
    facts: Facts, decision: Decision, snapshot: Snapshot, request_id: bytes | None
) -> bytes:
    """The end of the line, the same for all requests with these facts and this decision.

    `request_id` is the id that a trusted client sent. Empty if the id has to be escaped: then each line is encoded
    in general.
    """
    if _is_escaped(request_id):
        return b""
    members = _of_decision(decision, snapshot) | read_members(facts, snapshot.reads)
    return msgspec.json.encode(members)[1:]


def up_to_target(
    facts: Facts, decision: Decision, snapshot: Snapshot, request_id: bytes | None
) -> bytes | None:
    """`fixed_part` up to the target, for `with_target`. None if rules read header fields, cookies or the query."""
    if _is_escaped(request_id) or snapshot.reads != LoggedNames():
        return None
    members = _of_decision(decision, snapshot) | read_members(facts, snapshot.reads)
    del members["target"]
    return msgspec.json.encode(members)[1:-1] + b',"target":'


def with_target(start: bytes, facts: Facts) -> bytes:
    """The `fixed_part` that begins with `start`, with the target of `facts`."""
    return b"%b%b}" % (start, msgspec.json.encode(facts.path.decode("latin-1")))


def _is_escaped(request_id: bytes | None) -> bool:
    return request_id is not None and any(each in request_id for each in _ESCAPED)


def _of_decision(decision: Decision, snapshot: Snapshot) -> dict[str, object]:
    return {
        "route": decision.route.name,
        "backend": decision.backend,
        "reason": decision.reason,
        "table": snapshot.version,
    }
