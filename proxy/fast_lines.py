"""Heads of both directions as bytes, quickly where they are as most are. The general rules stay where they are:

what is rendered here is what `outgoing` and `answer_fields` make, kept for requests that look alike, or taken in
one pass where no rule has anything to change.
"""

from proxy.headers import upstream_headers
from proxy.identity import REQUEST_ID, TRACEPARENT, Identity
from proxy.model import NO_EDITS, Decision, Facts, HeaderEdits, HeaderPairs
from proxy.record import Record
from proxy.table import Snapshot
from proxy.upstream.request import field_lines
from proxy.walk import Looks, answer_fields, told_of

_line = b": ".join
_IDENTITY = frozenset((REQUEST_ID, TRACEPARENT))
# What some rule may change or drop. `Connection: keep-alive` and framing are so common that they are dropped here.
_SPECIAL = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"http2-settings", b"proxy-authenticate", b"location", b"content-location", b"link"),
        *(b"set-cookie", b"content-length", b"transfer-encoding", REQUEST_ID),
    )
)
_DROPPED = frozenset((b"content-length", b"transfer-encoding", b"keep-alive"))
_OF_CONNECTION = frozenset((b"keep-alive", b"close"))


def request_lines(looks: Looks, decision: Decision, facts: Facts, identity: Identity) -> bytes:
    """The fields for the backend as lines. Raises BadRequest where one would break out of its line."""
    assert decision.ref is not None
    key = (id(decision.route), id(decision.ref))
    fixed = looks.lines.get(key, b"")
    if fixed == b"":
        fixed = looks.lines[key] = _fixed_lines(looks, decision, facts, identity)
    if fixed is None:
        return field_lines(_fields(looks, decision, facts, identity))
    return b"%bx-request-id: %b\r\ntraceparent: %b\r\n" % (
        fixed,
        identity.request_id.encode(),
        identity.traceparent.encode(),
    )


def _fixed_lines(
    looks: Looks, decision: Decision, facts: Facts, identity: Identity
) -> bytes | None:
    """What does not change from one request to the next; None where the table edits what does."""
    ref = decision.ref
    assert ref is not None
    if _touches(decision.route.request) or _touches(ref.request):
        return None
    fields = _fields(looks, decision, facts, identity)
    return field_lines([pair for pair in fields if pair[0] not in _IDENTITY])


def _fields(looks: Looks, decision: Decision, facts: Facts, identity: Identity) -> HeaderPairs:
    ref = decision.ref
    assert ref is not None
    snapshot = looks.snapshot
    allowed = snapshot.table.forwarded.allow_headers
    backend = snapshot.backends[ref.backend]
    return upstream_headers(facts, decision.route, ref, backend, allowed, identity)


def _touches(edits: HeaderEdits) -> bool:
    return not _IDENTITY.isdisjoint(
        (*edits.remove, *(name for name, _ in (*edits.set, *edits.add)))
    )


def answer_lines(headers: HeaderPairs, snapshot: Snapshot, record: Record) -> list[bytes]:
    """The fields for the client, each a line without its end; framing is not among them."""
    decision = record.decision
    assert decision is not None
    assert decision.ref is not None
    if decision.route.response is not NO_EDITS or decision.ref.response is not NO_EDITS:
        return _edited_lines(headers, snapshot, record)
    lines: list[bytes] = []
    ours = snapshot.decision_header
    for pair in headers:
        name, value = pair
        if name not in _SPECIAL and name != ours:
            lines.append(_line(pair))
        elif name not in _DROPPED and not (name == b"connection" and value in _OF_CONNECTION):
            return _edited_lines(headers, snapshot, record)
    lines += map(_line, told_of(snapshot, record))
    return lines


def _edited_lines(headers: HeaderPairs, snapshot: Snapshot, record: Record) -> list[bytes]:
    fields = answer_fields(headers, snapshot, record)
    return [_line(pair) for pair in fields if pair[0] not in _DROPPED]
