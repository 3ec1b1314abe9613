"""Requests that get a span: their record has ids of its own, and its end is reported."""

from collections.abc import Callable

from msgspec.structs import asdict

from proxy.forwarding.forwarder import Forwarder
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import (
    ONES,
    ClaimedIds,
    Identity,
    identify,
)
from proxy.telemetry.request_record import Record

_SAMPLED = b"01"


class TracedRecord(Record):
    """The record of a request with a span. Its ids are those of the span."""

    parent_id: bytes = b""
    """The span of the client, as 16 hexadecimal digits; empty if the trace begins here."""
    span_id: bytes = b""

    def identify(self, claimed: ClaimedIds, bits: int) -> Identity:
        """The ids of the request. Backends see its span as their parent."""
        ids = identify(claimed, bits)
        self.span_id = (b"%048x" % (bits | ONES))[32:]
        if claimed.traceparent is not None:
            self.parent_id = claimed.traceparent[36:52]
        parent = b"00-%b-%b-%b" % (ids.trace_id, self.span_id, _SAMPLED)
        return Identity(ids.request_id, parent, ids.trace_id, ids.keeps_state)


class TracedForwarder(Forwarder, frozen=True, kw_only=True):
    """Creates records of requests with a span, and reports each at its end."""

    report: Callable[[TracedRecord], None]

    def record(self, snapshot: Snapshot, draw_bp: int | None = None) -> Record:
        """The empty record of a request that begins now."""
        return TracedRecord(snapshot.version, self.draw() if draw_bp is None else draw_bp)

    def finish(self, record: Record, snapshot: Snapshot) -> None:
        """Count a request that has ended, log it, and report its span."""
        super().finish(record, snapshot)
        if isinstance(record, TracedRecord):
            self.report(record)


def traced(forwarder: Forwarder, report: Callable[[TracedRecord], None]) -> TracedForwarder:
    """The same objects for requests that get a span."""
    return TracedForwarder(**asdict(forwarder), report=report)
