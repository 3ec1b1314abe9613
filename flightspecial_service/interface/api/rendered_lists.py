"""Lists as they are answered: whole bytes with their tag, packed for who takes that."""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from flightspecial_service.domain import Listing
from flightspecial_service.interface.api.schemas import JSON
from flightspecial_service.interface.http.content_coding import (
    LARGE_BYTES,
    VARY,
    as_gzip,
    packed,
    takes_gzip,
)
from flightspecial_service.interface.http.etags import not_modified
from flightspecial_service.interface.http.messages import HeaderPairs, Request, Response

_encode = msgspec.json.Encoder().encode


class Rendered:
    """Content in its bytes. Its tag is made from them, so every replica gives the same."""

    def __init__(self, content: object, headers: HeaderPairs = ()) -> None:
        body = _encode(content)
        self._tag = blake2b(body, digest_size=12).hexdigest()
        self._plain = Response(200, body, (*JSON, VARY, *headers))
        self._packed: Response | None = None

    async def response(self, request: Request) -> Response:
        """The content, or 304 if the client has it."""
        if len(self._plain.body) < LARGE_BYTES or not takes_gzip(request):
            return not_modified(request, self._plain, f'"{self._tag}"')
        if self._packed is None:
            self._packed = as_gzip(self._plain, await packed(self._plain.body))
        return not_modified(request, self._packed, f'"{self._tag}-gzip"')


class LastRendered:
    """Renders a listing once, as long as it is the same one."""

    def __init__(self, render: Callable[[Listing], Rendered]) -> None:
        self._render = render
        self._last: tuple[Listing, Rendered] | None = None

    def of(self, listing: Listing) -> Rendered:
        """The listing's bytes."""
        last = self._last
        if last is None or last[0] is not listing:
            last = (listing, self._render(listing))
            self._last = last
        return last[1]
