"""Local replies: whole responses that the facade makes itself. Errors are problem documents (RFC 9457)."""

import json

from msgspec import Struct

from proxy.errors import RequestError
from proxy.http1.error_page import title_of
from proxy.model import FieldName, HeaderPairs

CONTENT_TYPE = FieldName(b"Content-Type")
CACHE_CONTROL = FieldName(b"Cache-Control")
_RETRY_AFTER = FieldName(b"Retry-After")

# Seconds. A 503 means a full queue or too many connections, and these clear up as responses arrive.
_RETRY_AFTER_S = b"1"


class LocalReply(Struct, frozen=True):
    """A whole response. `headers` have no Content-Length: the writer adds it."""

    status: int
    headers: HeaderPairs
    body: bytes = b""


OPTIONS_REPLY = LocalReply(204, [])
"""The response to an OPTIONS request for the facade itself. Only a backend knows which methods a resource has."""


def problem(error: RequestError, instance: str = "") -> LocalReply:
    """`error` as `application/problem+json`, with its `reason` as an extension member."""
    status = error.status
    body = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": str(error),
    }
    body["reason"] = error.reason
    if instance:
        body["instance"] = instance
    headers: HeaderPairs = [
        (CONTENT_TYPE, b"application/problem+json"),
        (CACHE_CONTROL, b"no-store"),
    ]
    if status == 503:
        headers.append((_RETRY_AFTER, _RETRY_AFTER_S))
    return LocalReply(status, headers, json.dumps(body).encode())
