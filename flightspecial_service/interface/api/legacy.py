"""The monolith's own contract, so that a browser sees no difference when traffic shifts."""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from flightspecial_service.application.queries import CachedListing
from flightspecial_service.domain import Listing
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.rendered_lists import Rendered
from flightspecial_service.interface.api.schemas import legacy_special_out
from flightspecial_service.interface.http.messages import Request, Response

ANY_ORIGIN = ((b"access-control-allow-origin", b"*"),)
_LAST_DAY = datetime.max.replace(tzinfo=UTC)


class _Kept(Struct, frozen=True):
    """Holds for this listing while `since` <= now < `until`."""

    listing: Listing
    since: datetime
    until: datetime
    rendered: Rendered


class LegacyApi:
    """The handler of `/travelbuddy/flightspecials`; `now` gives the time, with a zone."""

    def __init__(
        self, cached_listing: CachedListing, now: Callable[[], datetime], build_label: BuildLabel
    ) -> None:
        self._cached_listing = cached_listing
        self._now = now
        self._build_label = build_label
        self._kept: _Kept | None = None

    async def list_on_sale(self, request: Request) -> Response:
        """What can still be bought, in order of expiry."""
        listing, now = await self._cached_listing.all_specials(), self._now()
        kept = self._kept
        # Both ends: a clock that is set back makes expired specials fresh again.
        if kept is None or kept.listing is not listing or not kept.since <= now < kept.until:
            kept = self._kept = self._render(listing, now)
        return await kept.rendered.response(request)

    def _render(self, listing: Listing, now: datetime) -> _Kept:
        on_sale = [special for special in listing.specials if special.on_sale(now)]
        until = on_sale[0].expires_at if on_sale else None
        prefix = self._build_label.prefix
        rendered = Rendered([legacy_special_out(special, prefix) for special in on_sale])
        return _Kept(listing, now, until or _LAST_DAY, rendered)
