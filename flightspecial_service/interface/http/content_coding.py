"""Content codings: large lists are sent as gzip if the client accepts it."""

import asyncio
import gzip
import re

from flightspecial_service.interface.http.messages import Request, Response

LARGE_BYTES = 4 * 1024
"""For smaller bodies compression costs more than it saves."""
_LEVEL = 5
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
VARY = (b"vary", b"Accept-Encoding")


def accepts_gzip(request: Request) -> bool:
    """Whether gzip has at least the weight of `identity` (RFC 9110 12.5.3)."""
    text = request.listed(b"accept-encoding")
    if text is None:
        return False
    quality: dict[str, float] = {}
    for part in text.lower().split(","):
        coding, _, parameter = part.partition(";")
        weight = _QUALITY.fullmatch(parameter.strip()) if parameter else None
        quality[coding.strip()] = float(weight[1]) if weight else 0.0 if parameter else 1.0
    gzip_quality = quality.get("gzip", quality.get("x-gzip", quality.get("*", 0.0)))
    return gzip_quality > 0 and gzip_quality >= quality.get("identity", 0.0)


async def compressed(body: bytes) -> bytes:
    """The body as gzip, compressed in a thread. Equal input gives equal output, as entity tags require."""
    return await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)


def as_gzip(response: Response, body: bytes) -> Response:
    """The response with its compressed body."""
    return Response(response.status, body, (*response.headers, (b"content-encoding", b"gzip")))
