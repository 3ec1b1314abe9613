"""A usual request, on both tiers: its bytes for the backend, its response head and its log line (ADR 21).

It has no record and no decision of its own. If it does not end in the usual way, `general_state` creates them.
"""

import time

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.forwarding.decided import UNDECIDED, Decided, decide_request
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.quick_routes import QuickPlan
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import ResponseHead
from proxy.model import Moment
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.response import unchanged
from proxy.routing.transforms.trace_context import ONES, ClaimedIds
from proxy.telemetry.log_line import USUAL_LINE
from proxy.telemetry.request_record import Record

_PER_CENT = 0.01


class UsualRequest(Struct, eq=False):
    """The state of one usual request. The constructor sets all fields: a later assignment costs several times more."""

    forwarder: Forwarder
    client: ClientConnection
    head: QuickHead
    snapshot: Snapshot
    plan: QuickPlan
    bits: int
    request_id: bytes
    trace_id: bytes
    traceparent: bytes
    began: float

    def raw(self, authority: bytes) -> bytes:
        """The request as bytes, with its body. `authority` is that of the endpoint."""
        head, plan = self.head, self.plan
        prepared, body = plan.prepared, head.body
        host = prepared.host
        if host is None:
            host = (prepared.preserve_host and head.host) or authority
        return (
            b"%b %b%b HTTP/1.1\r\nHost: %b\r\n%bX-Request-ID: %b\r\ntraceparent: %b\r\n%b%b\r\n%b"
            % (
                prepared.method,
                plan.path,
                head.query,
                host,
                plan.block,
                self.request_id,
                self.traceparent,
                prepared.added,
                b"Content-Length: %d\r\n" % len(body) if head.has_length else b"",
                body,
            )
        )

    def response_block(self, head: ResponseHead) -> bytes | None:
        """Status line and fields for the client, without framing; None if a rule may change a field."""
        prepared = self.plan.prepared
        unedited = unchanged(head, self.snapshot.decision_header)
        if unedited is None:
            return None
        edits = prepared.response_edits
        block = unedited[0] if edits is None else edits.block(head, *unedited)
        decision_line = prepared.decision_line if self.plan.may_see_decision else b""
        return b"%bX-Request-ID: %b\r\n%b" % (block, self.request_id, decision_line)

    def finish(self, status: int, sent_bytes: int, total_s: float) -> None:
        """Count a request that has ended with its whole response, and log it."""
        plan, head, forwarder = self.plan, self.head, self.forwarder
        prepared = plan.prepared
        received_bytes = len(head.body)
        forwarder.counters.count_usual(
            prepared.counted, status, received_bytes, sent_bytes, total_s
        )
        log = forwarder.access_log
        if log.enabled:
            now = time.time()
            second = int(now)
            total_ms = total_s * 1e3
            line = USUAL_LINE % (
                forwarder.writer.second(second),
                (now - second) * 1e6,
                plan.bucket_bp * _PER_CENT,
                status,
                received_bytes,
                sent_bytes,
                total_ms,
                total_ms,
                self.request_id,
                self.trace_id,
                prepared.logged,
                plan.client,
                prepared.method,
                head.host,
                head.path,
                plan.read,
            )
            log.offer(line)

    def general_state(self) -> tuple[RequestHead, Record, Decided]:
        """Head, record and decision of this request in the general way: the same decision and ids, sent once."""
        head, client, snapshot = self.head.strict(), self.client, self.snapshot
        forwarder, draw_bp = self.forwarder, self.plan.bucket_bp
        record = forwarder.record(snapshot, draw_bp)
        record.received_bytes = len(self.head.body)
        record.attempts = 1
        moment = Moment(draw_bp, forwarder.clock(), self.bits)
        decided = decide_request(head, client.peer, client.scheme, snapshot, record, moment)
        return head, record, decided or UNDECIDED


def usual_ids(claimed: ClaimedIds, bits: int) -> tuple[bytes, bytes, bytes]:
    """Request id, trace id and traceparent, the same as `identify` returns."""
    digits = b"%048x" % (bits | ONES)
    trace_id = digits[:32]
    traceparent = claimed.traceparent
    if traceparent is None:
        return claimed.request_id or trace_id, trace_id, b"00-%b-%b-00" % (trace_id, digits[32:])
    return claimed.request_id or trace_id, traceparent[3:35], traceparent
