"""The monolith's contract (CONTEXT.md): browsers see no difference when traffic shifts."""

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


class _CachedList(Struct, frozen=True):
    """The rendered list, valid for this listing while `since` <= now < `until`."""

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
        self._cached: _CachedList | None = None

    async def list_on_sale(self, request: Request) -> Response:
        """What can still be bought, in order of expiry."""
        listing, now = await self._cached_listing.all_specials(), self._now()
        cached = self._cached
        # Both bounds, as the clock may be set back.
        if (
            cached is None
            or cached.listing is not listing
            or not cached.since <= now < cached.until
        ):
            cached = self._cached = self._render(listing, now)
        return await cached.rendered.response(request)

    def _render(self, listing: Listing, now: datetime) -> _CachedList:
        on_sale = [special for special in listing.specials if special.on_sale(now)]
        until = on_sale[0].expires_at if on_sale else None
        prefix = self._build_label.prefix
        rendered = Rendered([legacy_special_out(special, prefix) for special in on_sale])
        return _CachedList(listing, now, until or _LAST_DAY, rendered)
