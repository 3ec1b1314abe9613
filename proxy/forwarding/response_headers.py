"""Response heads for the client: the backend's fields, then the facade's own."""

from proxy.errors import RequestError
from proxy.forwarding.decided import Decided
from proxy.http1.local_reply import LocalReply
from proxy.http1.response_head import ResponseHead
from proxy.http1.response_writer import fields_block
from proxy.model import NO_EDITS, Decision, HeaderPairs
from proxy.routing.cohort import id_cookie
from proxy.routing.error_reply import error_reply
from proxy.routing.read_your_writes import write_cookie
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.cookies import dropped_cookies
from proxy.routing.transforms.cors import with_cors
from proxy.routing.transforms.facade_fields import client_origin
from proxy.routing.transforms.headers import edited_response, replaced_names
from proxy.routing.transforms.request_values import ValueSource
from proxy.routing.transforms.response import (
    client_response_headers,
    decision_value,
    head_block,
    lines_without_framing,
    unchanged,
)
from proxy.routing.transforms.sent_head import REFUSED_HEAD, sent_head
from proxy.routing.transforms.trace_context import REQUEST_ID
from proxy.telemetry.request_record import Record, reason_of
from proxy.upstream import Pool


def response_head(
    head: ResponseHead, decided: Decided, snapshot: Snapshot, record: Record
) -> bytes:
    """Status line and fields as bytes, with Content-Length but no other framing."""
    _note_refused_head(head.status, decided, snapshot, record)
    kept = None if edits_responses(decided.decision) else unchanged(head, snapshot.decision_header)
    if kept is not None:
        block = kept[0]
    else:
        fields = client_fields(head.pairs, decided, snapshot, record)
        block = head_block(head, fields)
    return block + fields_block(facade_headers(snapshot, record))


def response_fields(
    head: ResponseHead, decided: Decided, snapshot: Snapshot, record: Record
) -> HeaderPairs:
    """The fields of `response_head`, for an ASGI server that writes the head itself."""
    _note_refused_head(head.status, decided, snapshot, record)
    fields = client_fields(head.pairs, decided, snapshot, record)
    return [*fields, *facade_headers(snapshot, record)]


def switch_lines(
    headers: HeaderPairs, decided: Decided, snapshot: Snapshot, record: Record
) -> list[bytes]:
    """The fields of a 101 response, each a line without its end."""
    fields = client_fields(headers, decided, snapshot, record)
    return lines_without_framing([*fields, *facade_headers(snapshot, record)])


def client_fields(
    headers: HeaderPairs, decided: Decided, snapshot: Snapshot, record: Record
) -> HeaderPairs:
    """The backend's fields for the client, of an interim or final response. Records the dropped cookies."""
    ref = decided.decision.ref
    if ref is not None:
        record.dropped_cookies += dropped_cookies(headers, snapshot.backends[ref.backend].cookies)
    request_id = decided.identity.request_id
    return client_response_headers(headers, snapshot, decided.facts, decided.decision, request_id)


def _note_refused_head(status: int, decided: Decided, snapshot: Snapshot, record: Record) -> None:
    facts, decision = decided.facts, decided.decision
    if status in REFUSED_HEAD and decision.ref is not None:
        backend = snapshot.backends[decision.ref.backend]
        forwarded = snapshot.table.forwarded
        record.refused_head = sent_head(
            facts, decision.matched, decision.ref, backend, forwarded, decided.identity
        )


def edits_responses(decision: Decision) -> bool:
    """Whether the table edits the fields of the response."""
    route, ref = decision.route, decision.ref
    if route.cors is not None or route.response != NO_EDITS:
        return True
    return ref is not None and ref.response != NO_EDITS


def own_cookies(
    decided: Decided, affinity: bytes | None, snapshot: Snapshot, now_s: float
) -> list[bytes]:
    """The values of Set-Cookie that the facade itself adds to a backend's response.

    `affinity` is the cookie that keeps the client with its endpoint, if it has to get one.
    """
    decision, facts = decided.decision, decided.facts
    written = write_cookie(snapshot.table, decision, facts, now_s)
    cookies = (affinity, id_cookie(decision, facts), written)
    return [cookie for cookie in cookies if cookie is not None]


def backend_cookies(
    decided: Decided, pool: Pool | None, snapshot: Snapshot, now_s: float
) -> list[bytes]:
    """`own_cookies` for a response of an endpoint, with the cookie that keeps the client with it."""
    affinity, facts = None, decided.facts
    if pool is not None and pool.affinity is not None:
        affinity = pool.affinity_cookie(facts, client_origin(facts)[0])
    return own_cookies(decided, affinity, snapshot, now_s)


def problem_reply(error: RequestError, record: Record, snapshot: Snapshot) -> LocalReply:
    """The response for `error`, with the response edits and the CORS policy of its route.

    A script in a browser sees the status only with the fields of CORS. Edits of the fields that describe the
    body have no effect. Vary may get further names.
    """
    route, facts, identity = record.route, record.facts, record.identity
    reply = error_reply(
        error,
        snapshot.table.errors if route is None else route.errors,
        snapshot.error_bodies,
        [] if facts is None else facts.headers,
        "" if identity is None else identity.request_id.decode(),
    )
    added: HeaderPairs = []
    if route is not None and facts is not None:
        request_id = b"" if identity is None else identity.request_id
        decision = record.decision
        path = None if decision is None else decision.match.path
        source = ValueSource(facts, path, request_id, route.path_policy)
        ref = None if decision is None else decision.ref
        added = edited_response(added, route, ref, source)
    own = {name for name, _ in reply.headers} - {b"vary"} | {b"content-type", b"content-encoding"}
    edited = [pair for pair in added if pair[0] not in own]
    headers = with_cors([*reply.headers, *edited], route, facts)
    return LocalReply(reply.status, headers, reply.body)


def refusal_reply(error: RequestError, snapshot: Snapshot) -> LocalReply:
    """The reply to bytes that never became a request: only the defaults of the table can be about it."""
    return error_reply(error, snapshot.table.errors, snapshot.error_bodies, [], "")


def facade_headers(snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The request id; and the decision, for clients that may see it. None that the table removes or sets itself."""
    fields: HeaderPairs = []
    if record.identity is not None:
        fields.append((REQUEST_ID, record.identity.request_id))
    facts = record.facts
    if facts is not None and facts.client in snapshot.exposed:
        backend = None if record.decision is None else record.decision.backend
        value = decision_value(record.route, backend, reason_of(record))
        fields.append((snapshot.decision_header, value))
    replaced = _replaced_in_responses(record)
    return [pair for pair in fields if pair[0] not in replaced] if replaced else fields


def _replaced_in_responses(record: Record) -> set[bytes]:
    replaced: set[bytes] = set()
    if record.route is not None and record.route.response is not NO_EDITS:
        replaced |= replaced_names(record.route.response)
    ref = None if record.decision is None else record.decision.ref
    if ref is not None and ref.response is not NO_EDITS:
        replaced |= replaced_names(ref.response)
    return replaced
