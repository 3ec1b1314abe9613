"""Rules of responses: which fields of a backend's response the client gets, mapped back and edited."""

from operator import itemgetter

from msgspec import Struct

from proxy.http1.fields import field_line
from proxy.http1.quick_response import MAPPED_FIELDS
from proxy.http1.response_head import ResponseHead
from proxy.http1.response_writer import STATUS_LINES
from proxy.model import Decision, Facts, HeaderEdits, HeaderPairs, Route
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.cookies import with_set_cookies
from proxy.routing.transforms.cors import with_cors
from proxy.routing.transforms.headers import apply_header_edits, client_headers, replaced_names
from proxy.routing.transforms.request_values import UNKNOWN_ID, ValueSource
from proxy.routing.transforms.reverse_rewrite import mapped_back
from proxy.routing.transforms.sent_head import REFUSED_HEAD

# The usual `Connection: keep-alive` and framing are handled in `_unchanged`.
_SPECIAL = MAPPED_FIELDS | {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"content-length", b"transfer-encoding"),
}
_DROPPED = frozenset((b"content-length", b"transfer-encoding", b"keep-alive"))
_NOT_WRITTEN = _DROPPED | {b"connection"}
_CONNECTION_VALUES = frozenset((b"keep-alive", b"close"))
_MAX_KEPT = 16
_name = itemgetter(0)


def client_response_headers(
    headers: HeaderPairs,
    snapshot: Snapshot,
    facts: Facts,
    decision: Decision,
    request_id: bytes = UNKNOWN_ID,
) -> HeaderPairs:
    """The fields for the client of a backend's response, interim or final: mapped back, then edited by the table.

    The CORS policy of the route comes last: no other rule adds a second set.
    """
    if decision.ref is not None:
        backend = snapshot.backends[decision.ref.backend]
        headers = with_set_cookies(headers, backend.cookies)
        headers = mapped_back(headers, decision, backend, facts, snapshot.table.forwarded)
    source = ValueSource(facts, decision.match.path, request_id, decision.route.path_policy)
    kept = client_headers(headers, decision, snapshot.decision_header, source)
    return with_cors(kept, decision.route, facts)


def decision_value(route: Route | None, backend: str | None, reason: str) -> bytes:
    """`route=NAME backend=NAME reason=WORD`; a dash for a missing name."""
    name = "-" if route is None else route.name
    return f"route={name} backend={backend or '-'} reason={reason}".encode()


def unchanged(head: ResponseHead, decision_header: bytes) -> tuple[bytes, HeaderPairs] | None:
    """The head and the fields for the client of a response that no rule changes. None if a rule applies.

    None for a refused head, too: its request is looked at again (`sent_head`).

    Cached in `head`, because a backend repeats its heads (ADR 11).
    """
    if decision_header not in head.rendered:
        if len(head.rendered) >= _MAX_KEPT:
            head.rendered.clear()
        head.rendered[decision_header] = _unchanged(head, decision_header)
    return head.rendered[decision_header]


def _unchanged(head: ResponseHead, decision_header: bytes) -> tuple[bytes, HeaderPairs] | None:
    if head.status in REFUSED_HEAD:
        return None
    if head.block and decision_header not in head.block.lower():
        return head.block, head.pairs
    kept: HeaderPairs = []
    for pair in head.pairs:
        name, value = pair
        if (name not in _SPECIAL and name != decision_header) or name == b"content-length":
            kept.append(pair)
        elif name not in _DROPPED and not (
            name == b"connection" and value.lower() in _CONNECTION_VALUES
        ):
            return None
    return head_block(head, kept), kept


def head_block(head: ResponseHead, fields: HeaderPairs) -> bytes:
    """The status line of `head` and `fields`, with Content-Length but no other framing field, as complete lines."""
    lines = [STATUS_LINES[head.status], *lines_without_framing(fields)]
    length = head.fields.length
    if length is not None and head.status != 204:
        lines.append(b"Content-Length: %d" % length)
    lines.append(b"")
    return b"\r\n".join(lines)


class PreparedEdits(Struct, frozen=True, eq=False):
    """Edits of responses, one after the other, none with values of a request: what they remove and add together."""

    removed: frozenset[bytes]
    added: HeaderPairs
    lines: bytes
    """`added` as complete lines, without framing."""

    def block(self, head: ResponseHead, block: bytes, fields: HeaderPairs) -> bytes:
        """The `head_block` with the edits. `block` and `fields` are those without: the result of `unchanged`."""
        if not self.removed.isdisjoint(map(_name, fields)):
            kept = [pair for pair in fields if pair[0] not in self.removed]
            return head_block(head, [*kept, *self.added])
        at = len(block)
        if head.fields.length is not None and head.status != 204:
            at = block.rindex(b"Content-Length: ")  # The last line, of digits only.
        return block[:at] + self.lines + block[at:]


def prepared_edits(*edits: HeaderEdits) -> PreparedEdits | None:
    """None if there is nothing to edit."""
    removed: set[bytes] = set()
    added: HeaderPairs = []
    for each in edits:
        removed |= replaced_names(each)
        added = apply_header_edits(added, each)
    if not (removed or added):
        return None
    lines = b"".join([b"%b\r\n" % line for line in lines_without_framing(added)])
    return PreparedEdits(frozenset(removed), added, lines)


def lines_without_framing(fields: HeaderPairs) -> list[bytes]:
    """Fields as lines without their ends. Framing fields are dropped."""
    return [field_line(pair) for pair in fields if pair[0] not in _NOT_WRITTEN]
