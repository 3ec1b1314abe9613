"""What comes of a command, as a value that can be kept and told again."""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from flightspecial_service.domain import FlightSpecial


class Created(Struct, frozen=True, tag=True):
    """A new special."""

    special: FlightSpecial


class Changed(Struct, frozen=True, tag=True):
    """A special as it is now."""

    special: FlightSpecial


class HeaderChanged(Struct, frozen=True, tag=True):
    """A special's header is another one."""


class Retired(Struct, frozen=True, tag=True):
    """A special is no more."""


class FlightRenamed(Struct, frozen=True, tag=True):
    """A flight has another name, and its old one is in its history."""


class Refused(Struct, frozen=True, tag=True):
    """Nothing was done: an error of the client's, its status and its sentence."""

    status: int
    detail: str


Outcome: TypeAlias = Created | Changed | HeaderChanged | Retired | FlightRenamed | Refused


def outcome_text(outcome: Outcome) -> str:
    """To be kept."""
    return msgspec.json.encode(outcome).decode()


def read_outcome(text: str) -> Outcome:
    """What `outcome_text` made."""
    outcome: Outcome = msgspec.json.decode(text, type=Outcome)
    return outcome
