"""Queries. They change nothing."""

from collections.abc import Sequence

from msgspec.structs import replace

from flightspecial_service.domain import (
    Flight,
    Flights,
    FlightSpecial,
    FlightSpecials,
    Listing,
    SpecialsFilter,
)
from flightspecial_service.errors import NoSuchFlight, NoSuchSpecial, Unavailable


class CachedListing:
    """The complete list, cached.

    Each query still asks the store whether the list has changed, so a result is never older than
    its query, and replicas need no invalidation (docs/cqrs.md).
    """

    def __init__(self, specials: FlightSpecials) -> None:
        self._specials = specials
        self._last: Listing | None = None

    async def all_specials(self) -> Listing:
        """All flight specials, expired ones too, in order of expiry."""
        last = self._last
        changed = await self._specials.listing(None if last is None else last.mark)
        current = last if changed is None else changed
        if current is None:
            raise Unavailable("the store gave no list")
        self._last = current
        return current


async def matching_specials(
    specials: FlightSpecials, specials_filter: SpecialsFilter
) -> tuple[Sequence[FlightSpecial], bool]:
    """The matching specials in order of expiry, and whether more follow after the limit."""
    if specials_filter.limit is None:
        return await specials.matching(specials_filter), False
    page = await specials.matching(replace(specials_filter, limit=specials_filter.limit + 1))
    return page[: specials_filter.limit], len(page) > specials_filter.limit


async def one_special(specials: FlightSpecials, number: int) -> FlightSpecial:
    """The flight special with this id. Raises NoSuchSpecial."""
    special = await specials.find(number)
    if special is None:
        raise NoSuchSpecial(number)
    return special


async def flight_history(
    flights: Flights, profile_id: str, number: int, after: int, limit: int
) -> tuple[Flight, Sequence[str], bool]:
    """A flight of a profile, a page of its former names, and whether more follow. Raises NoSuchFlight."""
    found = await flights.flight_with_names(number, after, limit + 1)
    if found is None or found[0].profile_id != profile_id:
        raise NoSuchFlight(profile_id, number)
    flight, names = found
    return flight, names[:limit], len(names) > limit
