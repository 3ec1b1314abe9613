"""Content codings: a large list goes over the wire as gzip, if the client takes that."""

import asyncio
import gzip
import re

from flightspecial_service.interface.http.messages import Request, Response

LARGE_BYTES = 4 * 1024
"""Below this, what is saved is less than what packing costs."""
_LEVEL = 5
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
VARY = (b"vary", b"Accept-Encoding")


def takes_gzip(request: Request) -> bool:
    """Whether the client prefers, or takes as readily, gzip to the plain bytes (RFC 9110 12.5.3)."""
    text = request.listed(b"accept-encoding")
    if text is None:
        return False
    quality: dict[str, float] = {}
    for part in text.lower().split(","):
        coding, _, parameter = part.partition(";")
        found = _QUALITY.fullmatch(parameter.strip()) if parameter else None
        quality[coding.strip()] = float(found[1]) if found else 0.0 if parameter else 1.0
    packed = quality.get("gzip", quality.get("x-gzip", quality.get("*", 0.0)))
    return packed > 0 and packed >= quality.get("identity", 0.0)


async def packed(body: bytes) -> bytes:
    """As gzip, made beside the event loop; the same bytes give the same bytes."""
    return await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)


def as_gzip(response: Response, body: bytes) -> Response:
    """The answer with its packed body."""
    return Response(response.status, body, (*response.headers, (b"content-encoding", b"gzip")))
