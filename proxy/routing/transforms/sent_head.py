"""How large the head was that a backend refused, and what the facade added to it.

Servers limit the number of fields, the size of one, and the size of all, and respond with 400 or 431. The fields that
the facade adds can take a request past a limit that it met before the facade came.
"""

from collections import Counter

from msgspec import Struct

from proxy.model import Backend, BackendRef, Facts, Forwarded, HeaderPairs, MatchedRoute
from proxy.routing.transforms.headers import upstream_headers
from proxy.routing.transforms.trace_context import Identity

REFUSED_HEAD = frozenset((400, 431))
"""The statuses with which servers refuse a head. 400 has many other causes."""
_WRITTEN_LATER = frozenset((b"host", b"content-length", b"transfer-encoding"))
_LINE_ENDS = len(b": \r\n")
# httpd, Tomcat and gunicorn; httpd and gunicorn; Tomcat and Jetty, then Node.
_USUAL_FIELDS = (100,)
_USUAL_LINE_BYTES = (8190,)
_USUAL_BYTES = (8192, 16_384)


class SentHead(Struct, frozen=True):
    """The field lines that a backend got, Host and framing included."""

    fields: int
    added: int
    """The lines that the client did not send."""
    field_bytes: int
    past_usual_limit: bool
    """The head is past a usual limit of servers, and the client's own head was within it."""


def sent_head(
    facts: Facts,
    matched: MatchedRoute,
    ref: BackendRef,
    backend: Backend,
    forwarded: Forwarded,
    identity: Identity,
) -> SentHead:
    """Made again by the rules that made the head."""
    sent = upstream_headers(facts, matched, ref, backend, forwarded, identity)
    sent += [pair for pair in facts.headers if pair[0] in _WRITTEN_LATER]
    added = Counter(name for name, _ in sent) - Counter(name for name, _ in facts.headers)
    return SentHead(
        len(sent), added.total(), _field_bytes(sent), _passes_usual_limit(facts.headers, sent)
    )


def _passes_usual_limit(received: HeaderPairs, sent: HeaderPairs) -> bool:
    measures = (
        (len, _USUAL_FIELDS),
        (_longest_line, _USUAL_LINE_BYTES),
        (_field_bytes, _USUAL_BYTES),
    )
    return any(
        measure(received) <= limit < measure(sent)
        for measure, limits in measures
        for limit in limits
    )


def _longest_line(headers: HeaderPairs) -> int:
    return max((len(name) + len(value) for name, value in headers), default=0)


def _field_bytes(headers: HeaderPairs) -> int:
    return sum(len(name) + len(value) + _LINE_ENDS for name, value in headers)
