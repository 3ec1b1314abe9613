"""The local reply for an error: a body of the table, an HTML page for a browser, or else a problem document. Pure."""

from collections.abc import Mapping

from proxy.errors import RequestError
from proxy.http1.accept import prefers_html
from proxy.http1.error_page import error_page
from proxy.http1.local_reply import CONTENT_TYPE, LocalReply, problem
from proxy.model import ErrorBodies, ErrorBody, FieldName, HeaderPairs

_HTML = b"text/html; charset=utf-8"
_VARY = (FieldName(b"Vary"), b"Accept")


def error_reply(
    error: RequestError,
    own: ErrorBodies,
    files: Mapping[str, bytes],
    headers: HeaderPairs,
    request_id: str,
) -> LocalReply:
    """`own` are the bodies that the table gives, `files` the content of those in files.

    `headers` are the fields of the request, as far as they are known.
    """
    reply = problem(error)
    given = own_body(own, error.status)
    if given is not None:
        content = given.body if given.file is None else files.get(given.file, b"")
        return _with_body(reply, given.content_type, content)
    varying = LocalReply(reply.status, [*reply.headers, _VARY], reply.body)
    if prefers_html(value for name, value in headers if name == b"accept"):
        return _with_body(varying, _HTML, error_page(error.status, request_id))
    return varying


def own_body(own: ErrorBodies, status: int) -> ErrorBody | None:
    """The body for a status: its own, or that of its class."""
    if not own:
        return None
    bodies = dict(own)
    return bodies.get(str(status)) or bodies.get(f"{status // 100}xx")


def describe(own: ErrorBodies) -> tuple[str, ...]:
    """Each body in words: `502: errors/502.html, text/html`."""
    return tuple(f"{status}: {_words(body)}" for status, body in own)


def _words(body: ErrorBody) -> str:
    source = body.file or (f"{len(body.body):,} bytes" if body.body else "empty")
    return f"{source}, {body.content_type.decode()}" if body.content_type else source


def _with_body(reply: LocalReply, content_type: bytes, body: bytes) -> LocalReply:
    others = [pair for pair in reply.headers if pair[0] != CONTENT_TYPE]
    types = [(CONTENT_TYPE, content_type)] if content_type else []
    return LocalReply(reply.status, [*types, *others], body)
