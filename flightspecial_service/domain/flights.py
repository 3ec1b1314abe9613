"""Flights and their rules."""

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.domain.texts import check_text
from flightspecial_service.errors import BadFlight, BadFlightName

NAME_MAX = 30
"""Characters of a flight name; the column is longer."""


class PushingStatus(Enum):
    """How urgently a flight has to be sold; the number is its weight."""

    DYING = 10
    HUNGRY = 20
    NORMAL = 30
    HAPPY = 40
    FULL = 50


class Flight(Struct, frozen=True):
    """A flight of a profile, and its former names, oldest first.

    Raises BadFlight. A name is checked in `renamed` only: stored names may be older than the rule.
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
        """A copy with another name; the old name is appended to the history.

        Raises BadFlightName.
        """
        check_text("a flight name", name, NAME_MAX, BadFlightName)
        return replace(self, name=name, past_names=(*self.past_names, self.name))
