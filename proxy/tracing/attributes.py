"""The name and the attributes of a request's span, by the semantic conventions for HTTP servers (OpenTelemetry). Pure.

The query is left out: it may identify people.
"""

from proxy.http1.host import is_host
from proxy.model import Decision, Facts, Match
from proxy.telemetry.request_record import Record, reason_of

Attributes = dict[str, str | int | float]
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)
_OTHER = "_OTHER"
_MAX_TEXT = 1024


def span_name(record: Record) -> str:
    """`GET /orders/{id}`: the method, and the path of the match if there are few such paths."""
    if record.facts is None:
        return "HTTP"
    method = record.facts.method if record.facts.method in _METHODS else "HTTP"
    template = _template(record)
    return f"{method} {template}" if template else method


def span_attributes(record: Record) -> Attributes:
    """The attributes of a request that has ended."""
    found: Attributes = {"facade.table": record.table_version, "facade.reason": reason_of(record)}
    if record.facts is not None:
        found |= _of_request(record.facts)
    template = _template(record)
    if template:
        found["http.route"] = template
    if record.status:
        found["http.response.status_code"] = record.status
    if record.status >= 500 or not record.complete:
        failed = record.error is not None
        found["error.type"] = record.error.reason if failed and record.error else str(record.status)
    found |= {
        "http.request.body.size": record.received_bytes,
        "http.response.body.size": record.sent_bytes,
    }
    if record.attempts > 1:
        found["http.request.resend_count"] = record.attempts - 1
    if record.identity is not None:
        found["facade.request_id"] = _text(record.identity.request_id)
    return found | _of_decision(record)


def _of_request(facts: Facts) -> Attributes:
    host, _, port = facts.host.decode("latin-1").rpartition(":")
    if not (host and port.isdigit()):
        host, port = facts.host.decode("latin-1"), ""
    found: Attributes = {
        "http.request.method": facts.method if facts.method in _METHODS else _OTHER,
        "url.scheme": facts.scheme,
        "url.path": _text(facts.path),
        "network.protocol.version": f"1.{facts.minor}",
        "client.address": facts.client,
    }
    if facts.method not in _METHODS:
        found["http.request.method_original"] = facts.method[:_MAX_TEXT]
    if is_host(facts.host):
        found["server.address"] = host
    if port:
        found["server.port"] = int(port)
    if facts.peer and facts.peer != facts.client:
        found["network.peer.address"] = facts.peer
    agents = [value for name, value in facts.headers if name == b"user-agent"]
    return found | ({"user_agent.original": _text(agents[0])} if agents else {})


def _of_decision(record: Record) -> Attributes:
    found: Attributes = {}
    route, decision = record.route, record.decision
    if route is not None:
        found["facade.route"] = route.name
        if route.stage is not None:
            found["facade.stage"] = route.stage
    if decision is not None:
        bucket_bp = record.draw_bp if decision.bucket_bp is None else decision.bucket_bp
        found["facade.bucket"] = bucket_bp / 100
        if decision.backend is not None:
            found["facade.backend"] = decision.backend
    return found


def _template(record: Record) -> str:
    """The path of the match of the request, if it is a template or the only path; else nothing (`http.route`)."""
    decision: Decision | None = record.decision
    match: Match | None = None if decision is None else decision.match
    path = None if match is None else match.path
    if path is None or path.kind not in ("exact", "template"):
        return ""
    return f"{path.value}/**" if path.tail else path.value


def _text(raw: bytes) -> str:
    return raw[:_MAX_TEXT].decode("utf-8", "replace")
