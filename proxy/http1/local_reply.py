"""Responses by the facade itself, whole and without framing (Envoy: local replies); errors as problems (RFC 9457)."""

import json
from http import HTTPStatus

from msgspec import Struct

from proxy.errors import RequestError
from proxy.model import HeaderPairs

# A 503 is over soon: the queue empties as responses arrive. Seconds, for `Retry-After`.
_RETRY_AFTER = b"1"


class LocalReply(Struct, frozen=True):
    """A whole response. `headers` lack Content-Length: the writer adds it."""

    status: int
    headers: HeaderPairs
    body: bytes = b""


OPTIONS_REPLY = LocalReply(204, [])
"""The response to an OPTIONS request for the facade itself. Only a backend knows which methods a resource has."""


def problem(error: RequestError, instance: str = "") -> LocalReply:
    """`error` as problem+json: what happened, and the reason as one word."""
    status = error.status
    title = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Error"
    body = {"type": "about:blank", "title": title, "status": status, "detail": str(error)}
    body["reason"] = error.reason
    if instance:
        body["instance"] = instance
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if status == 503:
        headers.append((b"retry-after", _RETRY_AFTER))
    return LocalReply(status, headers, json.dumps(body).encode())
