"""Heads of both directions as bytes, quickly where they are as most are. The general rules stay where they are:

what is rendered here is what `outgoing` and `answer_fields` make, kept for messages that are alike (ADR 11, 14).
"""

from proxy.client_head import STATUS_LINES
from proxy.headers import upstream_headers
from proxy.identity import REQUEST_ID, TRACEPARENT, Identity
from proxy.model import Decision, Facts, HeaderEdits, HeaderPairs
from proxy.record import Record
from proxy.table import Snapshot
from proxy.upstream import AnswerHead
from proxy.upstream.request import field_lines
from proxy.walk import Course, Looks, in_clients_words, told_of

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
_REMEMBERED = 16
_OF_CONNECTION = frozenset((b"keep-alive", b"close"))


def fixed_lines(looks: Looks, facts: Facts, decision: Decision, identity: Identity) -> bytes | None:
    """The fields for the backend that do not change from one request to the next, as lines.

    None where the table edits what does. Raises BadRequest where one would break out of its line.
    """
    ref = decision.ref
    assert ref is not None
    if _touches(decision.route.request) or _touches(ref.request):
        return None
    made = _fields(looks, facts, decision, identity)
    return field_lines([pair for pair in made if pair[0] not in _IDENTITY])


def own_lines(looks: Looks, facts: Facts, decision: Decision, identity: Identity) -> bytes:
    """All fields for the backend, for this one request. Raises BadRequest where one would break out of its line."""
    return field_lines(_fields(looks, facts, decision, identity))


def _fields(looks: Looks, facts: Facts, decision: Decision, identity: Identity) -> HeaderPairs:
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


def opening(head: AnswerHead, course: Course, snapshot: Snapshot, record: Record) -> bytes:
    """Status line and fields of an answer for the client, with Content-Length but no other framing."""
    made = _as_it_is(head, course, snapshot)
    block = made[0] if made else _block(head, in_clients_words(head.pairs, snapshot, record))
    assert record.identity is not None
    return b"%bx-request-id: %b\r\n%b" % (block, record.identity.request_id, course.lane.told)


def fields(head: AnswerHead, course: Course, snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The same as a list, as a server wants it that writes the head itself."""
    made = _as_it_is(head, course, snapshot)
    kept = made[1] if made else in_clients_words(head.pairs, snapshot, record)
    return [*kept, *told_of(snapshot, record)]


def answer_lines(headers: HeaderPairs, snapshot: Snapshot, record: Record) -> list[bytes]:
    """The fields of a 101 for the client, each a line without its end."""
    pairs = [*in_clients_words(headers, snapshot, record), *told_of(snapshot, record)]
    return [_line(pair) for pair in pairs if pair[0] not in _DROPPED]


def _as_it_is(
    head: AnswerHead, course: Course, snapshot: Snapshot
) -> tuple[bytes, HeaderPairs] | None:
    """What goes on of an answer in which no rule has anything to change. The same head is not looked at twice."""
    if course.lane.edited:
        return None
    ours = snapshot.decision_header
    if ours not in head.made:
        if len(head.made) >= _REMEMBERED:
            head.made.clear()
        head.made[ours] = _made(head, ours)
    return head.made[ours]


def _made(head: AnswerHead, decision_header: bytes) -> tuple[bytes, HeaderPairs] | None:
    kept: HeaderPairs = []
    for pair in head.pairs:
        name, value = pair
        if (name not in _SPECIAL and name != decision_header) or name == b"content-length":
            kept.append(pair)
        elif name not in _DROPPED and not (name == b"connection" and value in _OF_CONNECTION):
            return None
    return _block(head, kept), kept


def _block(head: AnswerHead, pairs: HeaderPairs) -> bytes:
    lines = [STATUS_LINES[head.status]]
    lines += [_line(pair) for pair in pairs if pair[0] not in _DROPPED]
    length = head.fields.length
    if length is not None and head.status != 204:
        lines.append(b"content-length: %d" % length)
    lines.append(b"")
    return b"\r\n".join(lines)
