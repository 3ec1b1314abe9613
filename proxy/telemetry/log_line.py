"""The line of a request in the access log.

A line holds the parts of a request that `plan` and `init` replay: method, host, path, and of headers, cookies and
query only those that the table's rules read. So credentials are logged only if a rule reads them.

`log_line` defines the members of a line. `LineWriter` encodes it: in general with msgspec; for a request that ended
normally with a format string, around a part that is encoded once for each prepared route (ADR 21).
"""

from binascii import hexlify
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from msgspec import UNSET, Struct, UnsetType

from proxy.errors import RequestError
from proxy.model import ALL_BP, Facts, Route
from proxy.routing.logged_names import LoggedNames
from proxy.routing.predicates import cookie_values, header_values, query_values, text
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
    path_policy: tuple[str, ...] | UnsetType = UNSET
    dropped_cookies: tuple[str, ...] | UnsetType = UNSET
    sent_fields: int | UnsetType = UNSET
    added_fields: int | UnsetType = UNSET
    first_backend: str | UnsetType = UNSET
    response_ok: bool | UnsetType = UNSET
    sent_field_bytes: int | UnsetType = UNSET
    mirrored_to: str | UnsetType = UNSET


def log_line(record: Record, reads: LoggedNames, now: float) -> LogLine:
    """`now` is in seconds since the epoch."""
    facts, decision, route = record.facts, record.decision, record.route
    ref = decision.ref if decision is not None else None
    line = LogLine(
        datetime.fromtimestamp(now, UTC),
        route.name if route is not None else None,
        ref.backend if ref is not None else None,
        reason_of(record),
        _bucket_bp(record) * 100 / ALL_BP,
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
    _add_events(line, record)
    return line


def _add_events(line: LogLine, record: Record) -> None:
    """Add what happens to few requests."""
    decision = record.decision
    if record.path_policy:
        line.path_policy = record.path_policy
    if record.dropped_cookies:
        line.dropped_cookies = record.dropped_cookies
    if record.refused_head is not None:
        line.sent_fields = record.refused_head.fields
        line.added_fields = record.refused_head.added
        line.sent_field_bytes = record.refused_head.field_bytes
    if decision is not None and decision.first_backend:
        line.first_backend = decision.first_backend
    if record.verdict is not None:
        line.response_ok = record.response_ok
    if record.mirrored_to:
        line.mirrored_to = record.mirrored_to


def _bucket_bp(record: Record) -> int:
    """The bucket that decided, else the draw."""
    decision = record.decision
    if decision is None or decision.bucket_bp is None:
        return record.draw_bp
    return decision.bucket_bp


def _ids(identity: Identity | None) -> tuple[str, str] | tuple[()]:
    if identity is None:
        return ()
    return identity.request_id.decode(), identity.trace_id.decode("latin-1")


def read_members(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    """The members with the request itself, and with the values that the table's rules read."""
    members: dict[str, object] = {
        "client": facts.client,
        "method": facts.method,
        "host": facts.host.decode("latin-1"),
        "target": facts.path.decode("latin-1"),
    }
    if reads != LoggedNames():
        members |= read_values(facts, reads)
    return members


def read_values(facts: Facts, reads: LoggedNames) -> dict[str, object]:
    """The values of the names that the rules read, by their kind; hashed if they identify people."""
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
    return [_hash(value.encode("utf-8", "surrogatepass")).decode() for value in values]


def _hash(value: bytes) -> bytes:
    return hexlify(sha256(value).digest()[:8])


def refused_line(error: RequestError, client: str, table: str, now: float) -> bytes:
    """The line of a message that is refused before there is a request: it has no method, host and target."""
    line = log_line(
        Record(table, error=error, status=error.status, complete=True), LoggedNames(), now
    )
    line.client = client
    return msgspec.json.encode(line)


# --- bytes ----------------------------------------------------------------------------------------

USUAL_LINE = (
    b'{"time":"%b.%06dZ","bucket":%.2f,"status":%d,"complete":true,"received_bytes":%d,"sent_bytes":%d,'
    b'"total_ms":%.3f,"first_byte_ms":%.3f,"attempts":1,"request_id":"%b","trace_id":"%b",%b'
    b'"client":"%b","method":"%b","host":"%b","target":"%b"%b}'
)
"""The line of a usual request: the members of `log_line`. Its arguments: `LineWriter.second` and microseconds,
bucket, status, received and sent bytes, total and first byte in ms, request id, trace id, `route_part`, client, method,
host, path, and `read_part`. None of them may need an escape.
"""


class LineWriter:
    """Encodes lines. Keeps the text of the current second: most lines share it."""

    __slots__ = ("_encode", "_second", "_stamp")

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._second = -1
        self._stamp = b""

    def line(self, record: Record, reads: LoggedNames, now: float) -> bytes:
        """The line of any request. `now` is in seconds since the epoch."""
        return self._encode(log_line(record, reads, now))

    def second(self, second: int) -> bytes:
        """A whole second since the epoch, as it is written."""
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return self._stamp


def route_part(route: Route, backend: str, reason: str, version: str) -> bytes:
    """The members that depend on route and reference only, followed by a comma."""
    members = {"route": route.name, "backend": backend, "reason": reason, "table": version}
    return msgspec.json.encode(members)[1:-1] + b","


def mirrored_part(backend: str) -> bytes:
    """The member with the backend of a copy, after a comma."""
    return b',"mirrored_to":%b' % msgspec.json.encode(backend)


def read_part(facts: Facts, reads: LoggedNames) -> bytes:
    """The members with the values that the table's rules read, after a comma; empty if there are none."""
    members = read_values(facts, reads)
    return b"," + msgspec.json.encode(members)[1:-1] if members else b""


def hashed_cookie_part(name: bytes, values: list[bytes]) -> bytes:
    """`read_part` for a table whose rules read only one cookie, the key of a cohort. `name` is its name as JSON."""
    if not values:
        return b""
    hashes = [_hash(each if each.isascii() else text(each).encode()) for each in values]
    return b',"cookies":{%b:["%b"]}' % (name, b'","'.join(hashes))
