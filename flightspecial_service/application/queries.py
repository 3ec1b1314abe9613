"""What can be asked. Nothing here changes anything."""

from collections.abc import Sequence
from datetime import datetime

from flightspecial_service.domain import FlightSpecial, FlightSpecials
from flightspecial_service.errors import NoSuchSpecial


async def every_special(specials: FlightSpecials) -> Sequence[FlightSpecial]:
    """All flight specials, expired ones too, in order of expiry."""
    return await specials.every()


async def specials_on_sale(specials: FlightSpecials, now: datetime) -> Sequence[FlightSpecial]:
    """What the monolith's page shows: those that can still be bought, in order of expiry."""
    return await specials.on_sale(now)


async def one_special(specials: FlightSpecials, number: int) -> FlightSpecial:
    """The flight special with this id. Raises NoSuchSpecial."""
    special = await specials.find(number)
    if special is None:
        raise NoSuchSpecial(number)
    return special
