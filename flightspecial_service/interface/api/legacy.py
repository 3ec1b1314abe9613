"""The monolith's contract (CONTEXT.md): clients see no difference when traffic shifts."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from flightspecial_service.application.queries import CachedListing
from flightspecial_service.domain import Listing
from flightspecial_service.errors import RequestError
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.rendered_lists import ListRenderer, Rendered
from flightspecial_service.interface.api.schemas import legacy_special_out
from flightspecial_service.interface.http.messages import HeaderPairs, Request, Response
from flightspecial_service.interface.http.problems import problem
from flightspecial_service.interface.http.resource import Contract

_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_VARY = (
    (b"vary", b"Origin"),
    (b"vary", b"Access-Control-Request-Method"),
    (b"vary", b"Access-Control-Request-Headers"),
)
_PREFLIGHT = ((b"access-control-allow-methods", b"GET"), (b"access-control-max-age", b"1800"))
_JSON_RANGES = re.compile(r"\*(/\*)?|application/(\*|json|[^/]*\+json)")
_HEXADECIMAL = re.compile(rb"\\\\|\\u00[01][a-f]")
_LAST_DAY = datetime.max.replace(tzinfo=UTC)


class _CachedList(Struct, frozen=True):
    """The rendered list, valid for this listing while `since` <= now < `until`."""

    listing: Listing
    since: datetime
    until: datetime
    rendered: Rendered


class LegacyApi:
    """The handlers of `/travelbuddy/flightspecials`; `now` gives the time, with a zone."""

    def __init__(
        self, cached_listing: CachedListing, now: Callable[[], datetime], build_label: BuildLabel
    ) -> None:
        self._cached_listing = cached_listing
        self._now = now
        self._renderer = ListRenderer(legacy_special_out, build_label, _as_jackson)
        self._cached: _CachedList | None = None

    async def list_on_sale(self, request: Request) -> Response:
        """What can still be bought, in order of expiry."""
        if not _accepts_json(request):
            return Response(406, b"")
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

    async def options(self, request: Request) -> Response:
        """The methods; or, for a CORS preflight, what a page of another origin may send."""
        method = request.header(b"access-control-request-method")
        if method is None or request.header(b"origin") is None:
            return Response(200, b"", ((b"allow", b"GET,HEAD,OPTIONS"),))
        if method != "GET":
            return Response(403, b"Invalid CORS request")
        requested = request.listed(b"access-control-request-headers") or ""
        names = ", ".join(name.strip() for name in requested.split(",") if name.strip())
        allowed = ((b"access-control-allow-headers", names.encode("latin-1")),) if names else ()
        return Response(200, b"", (*_PREFLIGHT, *allowed))

    def _render(self, listing: Listing, now: datetime) -> _CachedList:
        on_sale = [special for special in listing.specials if special.on_sale(now)]
        until = on_sale[0].expires_at if on_sale else None
        return _CachedList(listing, now, until or _LAST_DAY, self._renderer.render(on_sale))


def _accepts_json(request: Request) -> bool:
    """Whether the monolith serves its JSON for this Accept field: it disregards the weights."""
    ranges = (
        each.partition(";")[0].strip() for each in (request.listed(b"accept") or "").split(",")
    )
    wanted = [each.lower() for each in ranges if each]
    return not wanted or any(_JSON_RANGES.fullmatch(each) for each in wanted)


def _as_jackson(body: bytes) -> bytes:
    """JSON as Jackson writes it: control characters are escaped with capital digits."""
    # The first alternative skips escaped backslashes, as in a text that holds "\u001b" itself.
    return _HEXADECIMAL.sub(lambda match: match[0][:-1] + match[0][-1:].upper(), body)


def _empty_error(error: RequestError) -> Response:
    """The error without a body.

    The React front end disregards the status and calls `map` on any JSON, so a JSON object makes its page
    blank. With an empty body, as the monolith's failures have, it shows a sentence instead.
    """
    response = problem(error)
    kept = tuple(pair for pair in response.headers if pair[0] != b"content-type")
    return Response(response.status, b"", kept)


def _fields_for_browsers(request: Request, response: Response) -> HeaderPairs:
    """The fields of all responses, also of errors, which a browser could not read without them."""
    refused = response.status == 403 or request.header(b"origin") is None
    return _VARY if refused else (*_VARY, _ANY_ORIGIN)


MONOLITH = Contract(_empty_error, _fields_for_browsers)
