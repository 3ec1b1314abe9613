"""Flights and their rules."""

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.domain.texts import check_text
from flightspecial_service.errors import BadFlightName

NAME_MAX = 30
"""Characters of a flight name; the column is longer."""


class Flight(Struct, frozen=True):
    """A flight of a profile. A name is checked in `renamed` only: stored names may be older than the rule."""

    no: int
    profile_id: str | None
    name: str

    def renamed(self, name: str) -> "Flight":
        """A copy with another name. Raises BadFlightName."""
        check_flight_name(name)
        return replace(self, name=name)


def check_flight_name(name: str) -> None:
    """Raise BadFlightName if the name violates its rule."""
    check_text("a flight name", name, NAME_MAX, BadFlightName)
