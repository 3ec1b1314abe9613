"""What can be done. Each command is whole or did not happen."""

from flightspecial_service.domain import FlightSpecials, Header
from flightspecial_service.errors import NoSuchSpecial


async def change_header(specials: FlightSpecials, number: int, text: str) -> None:
    """Sell a flight special with another line. Raises BadHeader, NoSuchSpecial."""
    header = Header(text)
    if not await specials.set_header(number, header):
        raise NoSuchSpecial(number)
