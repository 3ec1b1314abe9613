"""The API that reads specials."""

from collections.abc import Callable
from datetime import datetime

from flightspecial_service.application.queries import CachedListing, matching_specials, one_special
from flightspecial_service.domain import FlightSpecials
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.rendered_lists import LastRendered, ListRenderer
from flightspecial_service.interface.api.schemas import special_out, special_response
from flightspecial_service.interface.http.etags import not_modified, special_tag
from flightspecial_service.interface.http.messages import Request, Response
from flightspecial_service.interface.http.parameters import next_link, read_filter


class SpecialsApi:
    """The handlers that read specials; `now` gives the time, with a zone."""

    def __init__(
        self,
        specials: FlightSpecials,
        cached_listing: CachedListing,
        now: Callable[[], datetime],
        build_label: BuildLabel,
    ) -> None:
        self._specials = specials
        self._cached_listing = cached_listing
        self._now = now
        self._build_label = build_label
        self._renderer = ListRenderer(special_out, build_label)
        self._last = LastRendered(self._renderer)

    async def list_all(self, request: Request) -> Response:
        """The requested specials as a bare array, in order of expiry: all, or a page of them."""
        specials_filter = read_filter(request, self._now())
        if specials_filter is None:
            return await self._last.of(await self._cached_listing.all_specials()).response(request)
        page, more = await matching_specials(self._specials, specials_filter)
        link = (next_link(request, page[-1]),) if more else ()
        return await self._renderer.render(page, link).response(request)

    async def show(self, request: Request) -> Response:
        """One special."""
        special = await one_special(self._specials, request.number("id"))
        response = special_response(special, self._build_label)
        return not_modified(request, response, special_tag(special))
