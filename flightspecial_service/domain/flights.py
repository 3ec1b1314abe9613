"""Flights and their rules."""

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.domain.texts import check_text
from flightspecial_service.errors import BadFlight, BadFlightName

NAME_MAX = 30
"""Characters of a flight's name; the column would hold more."""


class PushingStatus(Enum):
    """How eager a flight is to be sold; the number is its weight."""

    DYING = 10
    HUNGRY = 20
    NORMAL = 30
    HAPPY = 40
    FULL = 50


class Flight(Struct, frozen=True):
    """A flight of a profile, and every name it had before, oldest first.

    Raises BadFlight. The name is checked when it is given, not when it is read back.
    """

    no: int
    profile_id: str | None
    name: str
    past_names: tuple[str, ...] = ()
    popping_step: int = 1
    pushing_status: PushingStatus = PushingStatus.NORMAL

    def __post_init__(self) -> None:
        if self.no < 1:
            raise BadFlight(f"a flight number is positive, not {self.no}")
        if not 1 <= self.popping_step <= 5:
            raise BadFlight(f"a popping step is 1 to 5, not {self.popping_step}")

    def renamed(self, name: str) -> "Flight":
        """The same flight with another name; the old one goes to the end of its history.

        Raises BadFlightName.
        """
        check_text("a flight name", name, NAME_MAX, BadFlightName)
        return replace(self, name=name, past_names=(*self.past_names, self.name))
