"""A prepared upstream request: everything but target, authority and ids."""

from msgspec import Struct

from proxy.errors import TooLarge
from proxy.http1.connection_login import has_login_credentials
from proxy.http1.request_head import RequestHead
from proxy.http1.request_writer import HeadParts, PreparedHead, has_body
from proxy.model import SAFE_METHODS, BackendRef, Decision, Facts, Timeouts
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import Identity
from proxy.routing.transforms.upstream_request import (
    host_for,
    request_field_lines,
    shared_field_lines,
    upgrade_of,
)
from proxy.upstream import HttpUpstream


class PreparedRequest(Struct, eq=False):
    """Made for the first of several requests that differ in target and ids only."""

    upstream: HttpUpstream
    timeouts: Timeouts
    parts: HeadParts
    adds_ids: bool
    """Whether `head` adds request id and trace. False where the table edits them: they are in `parts` then."""
    repeatable: bool
    """A request may be sent again if no byte of a response came: it is safe and has no body (RFC 9110 9.2.2)."""
    is_head: bool
    switching: bool
    """The request asks for another protocol."""
    logs_in: bool
    """The request has credentials for the connection that it is sent over (`connection_login`)."""
    around: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    """`HeadParts.around`, by the endpoint's authority."""

    def asked(self, target: bytes, identity: Identity) -> PreparedHead:
        """One request, for an exchange that is awaited."""
        parts = self.parts
        return PreparedHead(
            parts.method,
            parts.body,
            self.timeouts,
            lambda authority: self.head(target, authority, identity),
        )

    def head(self, target: bytes, authority: bytes, identity: Identity, body: bytes = b"") -> bytes:
        """The head of one request as bytes, followed by `body`: the whole body, if it is at hand."""
        around = self.around.get(authority)
        if around is None:
            around = self.around[authority] = self.parts.around(authority)
        before, behind, last = around
        if not self.adds_ids:
            return b"%b%b%b%b%b" % (before, target, behind, last, body)
        return b"%b%b%bx-request-id: %b\r\ntraceparent: %b\r\n%b%b" % (
            before,
            target,
            behind,
            identity.request_id,
            identity.traceparent,
            last,
            body,
        )


class Request(Struct, frozen=True):
    """What a request is prepared from. `ref` is the chosen reference of `decision`."""

    head: RequestHead
    facts: Facts
    decision: Decision
    ref: BackendRef
    identity: Identity


def prepare(request: Request, snapshot: Snapshot, upstream: HttpUpstream) -> PreparedRequest:
    """Raises RequestError."""
    head, facts, decision, ref = request.head, request.facts, request.decision, request.ref
    body = head.fields.body
    check_length(body.length, decision)
    shared = shared_field_lines(snapshot, facts, decision, ref, request.identity)
    lines = shared
    if lines is None:
        lines = request_field_lines(snapshot, facts, decision, ref, request.identity)
    upgrade = upgrade_of(head)
    host = host_for(facts, ref, snapshot.backends[ref.backend])
    return PreparedRequest(
        upstream,
        decision.route.timeouts,
        HeadParts(facts.method, host, lines, body, upgrade),
        adds_ids=shared is not None,
        repeatable=head.method in SAFE_METHODS and not has_body(body),
        is_head=facts.method == "HEAD",
        switching=upgrade != b"",
        logs_in=has_login_credentials(facts.headers),
    )


def check_length(length: int, decision: Decision) -> None:
    """Raises TooLarge for a body that is announced as longer than the route allows. `length` in bytes."""
    limit = decision.route.limits.max_body_bytes
    if length > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
