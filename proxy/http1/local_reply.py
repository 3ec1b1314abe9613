"""Local replies: whole responses that the facade makes itself. Errors are problem documents (RFC 9457)."""

import json

from msgspec import Struct

from proxy.errors import RequestError
from proxy.http1.error_page import title_of
from proxy.model import HeaderPairs

# Seconds. A 503 means a full queue or too many connections, and these clear up as responses arrive.
_RETRY_AFTER = b"1"


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
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    return LocalReply(status, headers, json.dumps(body).encode())
