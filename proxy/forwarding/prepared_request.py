"""The prepared upstream request of the general way: its head is completed for each endpoint."""

from msgspec import Struct

from proxy.forwarding.decided import Decided
from proxy.forwarding.limit_errors import body_too_large
from proxy.http1.connection_login import has_login_credentials
from proxy.http1.request_head import RequestHead
from proxy.http1.request_writer import HeadParts, PreparedHead, field_lines, has_body
from proxy.model import SAFE_METHODS, BackendRef, Decision, Timeouts
from proxy.routing.next_step import attempt_timeouts
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.upstream_request import host_for, upgrade_of, upstream_target
from proxy.upstream import HttpUpstream


class PreparedRequest(Struct, frozen=True, eq=False):
    """The parts of an upstream request, for the first and the second time that it is sent."""

    upstream: HttpUpstream
    timeouts: Timeouts
    target: bytes
    parts: HeadParts
    repeatable: bool
    """Safe and without a body: it may be sent again if no byte of a response came (RFC 9110 9.2.2)."""
    is_head: bool
    switching: bool
    """The request asks for another protocol."""
    logs_in: bool
    """The request has credentials for the connection that it is sent over (`connection_login`)."""

    def prepared_head(self) -> PreparedHead:
        """For an exchange that is awaited."""
        return PreparedHead(self.parts.method, self.parts.body, self.timeouts, self.head)

    def head(self, authority: bytes, body: bytes = b"") -> bytes:
        """The head as bytes, followed by `body`: the whole body, if it is at hand."""
        before, behind, last = self.parts.around(authority)
        return b"%b%b%b%b%b" % (before, self.target, behind, last, body)


def prepare(
    head: RequestHead, decided: Decided, ref: BackendRef, snapshot: Snapshot, upstream: HttpUpstream
) -> PreparedRequest:
    """The upstream request for `ref`, the chosen reference. Raises RequestError."""
    facts, decision = decided.facts, decided.decision
    body = head.fields.body
    check_length(body.length, decision)
    backend = snapshot.backends[ref.backend]
    forwarded = snapshot.table.forwarded
    fields = upstream_headers(facts, decision.matched, ref, backend, forwarded, decided.identity)
    upgrade = upgrade_of(head)
    host = host_for(facts, ref, backend)
    return PreparedRequest(
        upstream,
        attempt_timeouts(decision),
        upstream_target(facts, decision),
        HeadParts(facts.method, host, field_lines(fields), body, upgrade),
        repeatable=head.method in SAFE_METHODS and not has_body(body),
        is_head=facts.method == "HEAD",
        switching=upgrade != b"",
        logs_in=has_login_credentials(facts.headers),
    )


def check_length(length: int, decision: Decision) -> None:
    """Raises TooLarge for a body that is announced as longer than the route allows. `length` in bytes."""
    if length > decision.route.limits.max_body_bytes:
        raise body_too_large(decision.route)
