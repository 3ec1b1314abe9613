"""Response heads for the client: the backend's fields, then the facade's own."""

from proxy.forwarding.route_cache import CachedDecision
from proxy.http1.response_head import ResponseHead
from proxy.model import HeaderPairs
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.response import (
    client_response_headers,
    decision_value,
    head_block,
    lines_without_framing,
    unchanged,
)
from proxy.routing.transforms.trace_context import REQUEST_ID, Identity
from proxy.telemetry.request_record import Record, reason_of


def response_head(
    head: ResponseHead, cached: CachedDecision, snapshot: Snapshot, identity: Identity
) -> bytes:
    """Status line and fields as bytes, with Content-Length but no other framing."""
    kept = None if cached.entry.edited else unchanged(head, snapshot.decision_header)
    if kept is not None:
        block = kept[0]
    else:
        fields = client_response_headers(head.pairs, snapshot, cached.facts, cached.decision)
        block = head_block(head, fields)
    return b"%bx-request-id: %b\r\n%b" % (
        block,
        identity.request_id,
        cached.entry.decision_line,
    )


def response_fields(
    head: ResponseHead, cached: CachedDecision, snapshot: Snapshot, record: Record
) -> HeaderPairs:
    """The same as a list of fields, for an ASGI server that writes the head itself."""
    kept = None if cached.entry.edited else unchanged(head, snapshot.decision_header)
    if kept is not None:
        return [*kept[1], *facade_headers(snapshot, record)]
    fields = client_response_headers(head.pairs, snapshot, cached.facts, cached.decision)
    return [*fields, *facade_headers(snapshot, record)]


def switch_lines(
    headers: HeaderPairs, cached: CachedDecision, snapshot: Snapshot, record: Record
) -> list[bytes]:
    """The fields of a 101 response, each a line without its end."""
    fields = client_response_headers(headers, snapshot, cached.facts, cached.decision)
    return lines_without_framing([*fields, *facade_headers(snapshot, record)])


def facade_headers(snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The request id; and the decision, for clients that may see it."""
    fields: HeaderPairs = []
    if record.identity is not None:
        fields.append((REQUEST_ID, record.identity.request_id))
    facts = record.facts
    if facts is not None and facts.client in snapshot.exposed:
        backend = None if record.decision is None else record.decision.backend
        value = decision_value(record.route, backend, reason_of(record))
        fields.append((snapshot.decision_header, value))
    return fields
