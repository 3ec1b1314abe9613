"""Content as rendered bytes with an entity tag, compressed if the client accepts it."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from flightspecial_service.domain import FlightSpecial, Listing
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.schemas import JSON
from flightspecial_service.interface.http.content_coding import (
    LARGE_BYTES,
    VARY,
    accepts_gzip,
    as_gzip,
    compressed,
)
from flightspecial_service.interface.http.etags import not_modified, tag_of
from flightspecial_service.interface.http.messages import HeaderPairs, Request, Response

_encode = msgspec.json.Encoder().encode


class Rendered:
    """A body with its header fields. `tagged`: the bytes that the entity tag is made of, if others."""

    def __init__(
        self, body: bytes, headers: HeaderPairs = JSON, tagged: bytes | None = None
    ) -> None:
        self._large = len(body) >= LARGE_BYTES
        self._tag = tag_of(body if tagged is None else tagged)
        self._gzip_tag = f'{self._tag[:-1]}-gzip"'
        self._plain = Response(200, body, (*headers, VARY) if self._large else headers)
        self._compressed: Response | None = None

    async def response(self, request: Request) -> Response:
        """The content, or 304 if the client has it."""
        if not self._large or not accepts_gzip(request):
            return not_modified(request, self._plain, self._tag)
        if self._compressed is None:
            self._compressed = as_gzip(self._plain, await compressed(self._plain.body))
        return not_modified(request, self._compressed, self._gzip_tag)


class ListRenderer(Struct, frozen=True):
    """Renders lists of specials; `entry` makes the JSON object of one, `finish` the final bytes."""

    entry: Callable[[FlightSpecial], object]
    build_label: BuildLabel
    finish: Callable[[bytes], bytes] = bytes

    def render(self, specials: Iterable[FlightSpecial], headers: HeaderPairs = ()) -> Rendered:
        """The list as JSON. Its tag does not depend on the build label."""
        label, specials = self.build_label, tuple(specials)
        shown = tuple(map(label.shown, specials))
        body = self._json(shown)
        tagged = body if shown == specials else self._json(specials)
        return Rendered(body, (*JSON, *label.text_headers, *headers), tagged)

    def _json(self, specials: Iterable[FlightSpecial]) -> bytes:
        return self.finish(_encode([self.entry(special) for special in specials]))


class LastRendered:
    """Caches the rendered form of the last listing."""

    def __init__(self, renderer: ListRenderer) -> None:
        self._renderer = renderer
        self._last: tuple[Listing, Rendered] | None = None

    def of(self, listing: Listing) -> Rendered:
        """The listing in rendered form."""
        last = self._last
        if last is None or last[0] is not listing:
            last = self._last = (listing, self._renderer.render(listing.specials))
        return last[1]
