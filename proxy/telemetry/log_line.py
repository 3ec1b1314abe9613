"""A record as its line of the access log, in bytes.

`record.log_line` says what a line holds. Here it is written: by msgspec in general, and for the requests that end
as most do by filling a form of which msgspec wrote the part that does not change (ADR 14).
"""

from datetime import UTC, datetime

import msgspec

from proxy.model import ALL_BP, Decision, Facts
from proxy.routing.logged_names import LoggedNames
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.request_record import Record, log_line, read_members

_FORM = (
    b'{"time":"%b.%06dZ","bucket":%.2f,"status":%d,"complete":true,"received_bytes":%d,"sent_bytes":%d,'
    b'"total_ms":%.3f,"first_byte_ms":%.3f,"attempts":%d,"request_id":"%b","trace_id":"%b",%b'
)
_PER_CENT = 100 / ALL_BP
# What a client that we believe may say of its id, and JSON would want escaped.
_ESCAPED = (b'"', b"\\")


class LineWriter:
    """Writes lines, one after the other. Remembers how the current second is written."""

    __slots__ = ("_encode", "_second", "_stamp")

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._second = -1
        self._stamp = b""

    def line(self, record: Record, snapshot: Snapshot, fixed: bytes, now: float) -> bytes:
        """`now` is seconds since the epoch. `fixed` is of `fixed_part`, or empty where there is none."""
        first_byte_s, identity = record.first_byte_s, record.identity
        usual = fixed and record.complete and record.error is None
        if not usual or first_byte_s is None or identity is None:
            return self._encode(log_line(record, snapshot.reads, now))
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return _FORM % (
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
    """What the lines of all requests have in common that are alike and go the same way.

    `request_id` is the client's own, if that is believed. Empty where a form would not do.
    """
    if _is_escaped(request_id):
        return b""
    members = _of_decision(decision, snapshot) | read_members(facts, snapshot.reads)
    return msgspec.json.encode(members)[1:]


def up_to_target(
    facts: Facts, decision: Decision, snapshot: Snapshot, request_id: bytes | None
) -> bytes | None:
    """`fixed_part` up to the target, for `with_target`. None where more than the target depends on the request."""
    if _is_escaped(request_id) or snapshot.reads != LoggedNames():
        return None
    members = _of_decision(decision, snapshot) | read_members(facts, snapshot.reads)
    del members["target"]
    return msgspec.json.encode(members)[1:-1] + b',"target":'


def with_target(start: bytes, facts: Facts) -> bytes:
    """`fixed_part` of a request whose line begins like that."""
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
