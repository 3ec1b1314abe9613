"""A record as its line of the access log, in bytes.

`record.log_line` says what a line holds. Here it is written: by msgspec in general, and for the requests that end
as most do by filling a form of which msgspec wrote the part that does not change (ADR 14).
"""

from datetime import UTC, datetime

import msgspec

from proxy.model import Facts, Route
from proxy.routing.logged_names import LoggedNames
from proxy.telemetry.request_record import Record, log_line, read_values

USUAL_LINE = (
    b'{"time":"%b.%06dZ","bucket":%.2f,"status":%d,"complete":true,"received_bytes":%d,"sent_bytes":%d,'
    b'"total_ms":%.3f,"first_byte_ms":%.3f,"attempts":1,"request_id":"%b","trace_id":"%b",%b'
    b'"client":"%b","method":"%b","host":"%b","target":"%b"%b}'
)
"""The line of a usual request: the members of `log_line`. To be filled with: `LineWriter.second` and microseconds,
bucket, status, received and sent bytes, total and first byte in ms, request id, trace id, `route_part`, client, method,
host, path, and `read_part`. Nothing in them may need an escape.
"""


class LineWriter:
    """Writes lines, one after the other. Remembers how the current second is written."""

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
    """The members that follow from the route and the reference, with a comma behind."""
    members = {"route": route.name, "backend": backend, "reason": reason, "table": version}
    return msgspec.json.encode(members)[1:-1] + b","


def read_part(facts: Facts, reads: LoggedNames) -> bytes:
    """The members that hold what the rules of the table read, with a comma in front; empty if there is nothing."""
    members = read_values(facts, reads)
    return b"," + msgspec.json.encode(members)[1:-1] if members else b""
