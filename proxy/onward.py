"""How the requests of a lane are asked, and for what; made for the first of them (ADR 14)."""

from proxy.errors import TooLarge, Unsupported
from proxy.going import Going
from proxy.model import SAFE_METHODS, Backend
from proxy.outgoing import host_for, request_target
from proxy.reading import RequestHead
from proxy.record import Record
from proxy.relay import fixed_lines, own_lines
from proxy.upstream import HttpUpstream
from proxy.upstream.request import HeadParts, check_target, has_body
from proxy.walk import Course, Kit, Looks


def going_of(
    kit: Kit, looks: Looks, course: Course, head: RequestHead, record: Record
) -> Going | None:
    """None where the facade answers by itself. Kept with the lane, unless the table edits what each has of its own.

    Raises RequestError.
    """
    decision, facts, identity = course.decision, record.facts, record.identity
    if decision.ref is None:
        return None
    assert facts is not None
    assert identity is not None
    body, limit = head.fields.body, decision.route.limits.max_body_bytes
    if body.length > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    backend = looks.snapshot.backends[decision.ref.backend]
    fixed = fixed_lines(looks, facts, decision, identity)
    lines = own_lines(looks, facts, decision, identity) if fixed is None else fixed
    upgrade = _upgrade(head)
    going = Going(
        _ours(kit, backend),
        decision.route.timeouts,
        HeadParts(facts.method, host_for(facts, decision, backend), lines, body, upgrade),
        tells_identity=fixed is not None,
        repeatable=head.method in SAFE_METHODS and not has_body(body),
        is_head=facts.method == "HEAD",
        switching=upgrade != b"",
    )
    if fixed is not None:
        course.lane.going = going
    return going


def find_target(course: Course) -> None:
    """Find what a backend is asked for, and keep it with the course. Raises BadRequest."""
    target = request_target(course.facts, course.decision)
    check_target(target)
    course.target = target


def _upgrade(head: RequestHead) -> bytes:
    """Only a WebSocket's opening goes on as one (RFC 6455 4.1); other protocols, h2c too, are not taken up."""
    if head.upgrade != b"websocket" or head.method != "GET" or has_body(head.body):
        return b""
    return head.upgrade


def _ours(kit: Kit, backend: Backend) -> HttpUpstream:
    upstream = kit.backends.of(backend)
    if not isinstance(upstream, HttpUpstream):
        raise Unsupported("a backend behind a foreign transport is asked by the ASGI tier only")
    return upstream
