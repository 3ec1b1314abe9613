"""The upstream request for a decision. `explain` shows the same value that live traffic sends."""

from proxy.http1.request_head import RequestHead, read_framing
from proxy.http1.request_writer import check_target, has_body
from proxy.model import (
    Backend,
    BackendRef,
    Decision,
    Facts,
    Forwarded,
    Outgoing,
)
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.trace_context import Identity

_WEBSOCKET = b"websocket"


def outgoing(
    facts: Facts,
    decision: Decision,
    backend: Backend,
    forwarded: Forwarded,
    identity: Identity | None = None,
) -> Outgoing:
    """The upstream request. `decision` has a reference. Raises BadRequest for contradicting framing."""
    route, ref = decision.route, decision.ref
    if ref is None:
        raise ValueError("the facade answers this request by itself")
    return Outgoing(
        facts.method,
        request_target(facts, decision),
        host_for(facts, ref, backend),
        upstream_headers(facts, decision.matched, ref, backend, forwarded, identity),
        read_framing(facts.headers),
        route.timeouts,
    )


def request_target(facts: Facts, decision: Decision) -> bytes:
    """Path and query of the upstream request. `decision` has a reference."""
    path = decision.upstream_path
    return b"%b?%b" % (path, facts.query) if facts.query or facts.has_query else path


def upstream_target(facts: Facts, decision: Decision) -> bytes:
    """The checked path and query. Raises BadRequest for a target that would split the request line."""
    target = request_target(facts, decision)
    check_target(target)
    return target


def host_for(facts: Facts, ref: BackendRef, backend: Backend) -> bytes | None:
    """The Host of the upstream request. None stands for the endpoint's authority."""
    rewrite = ref.rewrite
    if rewrite is not None and rewrite.hostname is not None:
        return rewrite.hostname.encode()
    if backend.preserve_host and facts.host:
        return facts.host
    return None


def upgrade_of(head: RequestHead) -> bytes:
    """The protocol to upgrade to, or empty. Only WebSocket handshakes are forwarded as upgrades (RFC 6455 4.1)."""
    if _WEBSOCKET not in head.upgrades or head.method != "GET" or has_body(head.body):
        return b""
    return _WEBSOCKET
