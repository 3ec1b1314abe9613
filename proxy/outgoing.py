"""(facts, decision) -> what a backend is asked. `explain` shows the same value that live traffic sends."""

from proxy.errors import BadRequest, UnknownCoding
from proxy.headers import upstream_headers
from proxy.identity import Identity
from proxy.model import Backend, Body, Decision, Facts, Forwarded, HeaderPairs, Outgoing

_NO_BODY = Body("none")
_CHUNKED = Body("chunked")


def outgoing(
    facts: Facts,
    decision: Decision,
    backend: Backend,
    forwarded: Forwarded,
    identity: Identity | None = None,
) -> Outgoing:
    """The request for a backend. `decision` has a reference. Raises BadRequest for contradicting framing."""
    route, ref = decision.route, decision.ref
    if ref is None:
        raise ValueError("the facade answers this request by itself")
    return Outgoing(
        facts.method,
        request_target(facts, decision),
        host_for(facts, decision, backend),
        upstream_headers(facts, route, ref, backend, forwarded.allow_headers, identity),
        body_of(facts.headers),
        route.timeouts,
    )


def request_target(facts: Facts, decision: Decision) -> bytes:
    """What is asked for. `decision` has a reference."""
    path = decision.upstream_path
    return b"%b?%b" % (path, facts.query) if facts.query or facts.has_query else path


def host_for(facts: Facts, decision: Decision, backend: Backend) -> bytes | None:
    """By which Host; None is the endpoint's own. `decision` has a reference."""
    rewrite = decision.ref.rewrite if decision.ref is not None else None
    if rewrite is not None and rewrite.hostname is not None:
        return rewrite.hostname.encode()
    if backend.preserve_host and facts.host:
        return facts.host
    return None


def body_of(headers: HeaderPairs) -> Body:
    """How the request's body is framed (RFC 9112 6.3). Raises BadRequest where the fields contradict."""
    lengths, chunked = [], False
    for name, value in headers:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise UnknownCoding("the facade takes no transfer coding but one `chunked`")
            chunked = True
    if not lengths:
        return _CHUNKED if chunked else _NO_BODY
    if chunked or len(lengths) > 1 or not (lengths[0].isdigit() and len(lengths[0]) < 19):
        raise BadRequest("the request's Content-Length and Transfer-Encoding contradict each other")
    return Body("length", int(lengths[0]))
