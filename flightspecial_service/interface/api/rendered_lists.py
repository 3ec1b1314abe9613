"""Lists as rendered bytes with their entity tag, compressed if the client accepts it."""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from flightspecial_service.domain import Listing
from flightspecial_service.interface.api.schemas import JSON
from flightspecial_service.interface.http.content_coding import (
    LARGE_BYTES,
    VARY,
    accepts_gzip,
    as_gzip,
    compressed,
)
from flightspecial_service.interface.http.etags import not_modified
from flightspecial_service.interface.http.messages import HeaderPairs, Request, Response

_encode = msgspec.json.Encoder().encode


class Rendered:
    """Encoded content. Its tag is a hash of the bytes, so all replicas give the same tag."""

    def __init__(self, content: object, headers: HeaderPairs = ()) -> None:
        body = _encode(content)
        self._tag = blake2b(body, digest_size=12).hexdigest()
        self._plain = Response(200, body, (*JSON, VARY, *headers))
        self._compressed: Response | None = None

    async def response(self, request: Request) -> Response:
        """The content, or 304 if the client has it."""
        if len(self._plain.body) < LARGE_BYTES or not accepts_gzip(request):
            return not_modified(request, self._plain, f'"{self._tag}"')
        if self._compressed is None:
            self._compressed = as_gzip(self._plain, await compressed(self._plain.body))
        return not_modified(request, self._compressed, f'"{self._tag}-gzip"')


class LastRendered:
    """Caches the rendered form of the last listing."""

    def __init__(self, render: Callable[[Listing], Rendered]) -> None:
        self._render = render
        self._last: tuple[Listing, Rendered] | None = None

    def of(self, listing: Listing) -> Rendered:
        """The listing in rendered form."""
        last = self._last
        if last is None or last[0] is not listing:
            last = (listing, self._render(listing))
            self._last = last
        return last[1]
