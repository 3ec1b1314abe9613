"""Outcomes of commands, as values that are stored with an idempotency key.

The names of these classes and fields are in stored rows for as long as keys live: do not rename them.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from flightspecial_service.domain import FlightSpecial


class Created(Struct, frozen=True, tag=True):
    """A special was created."""

    special: FlightSpecial


class Changed(Struct, frozen=True, tag=True):
    """A special was changed; `special` is its new state."""

    special: FlightSpecial


class HeaderChanged(Struct, frozen=True, tag=True):
    """A header was changed."""


class Retired(Struct, frozen=True, tag=True):
    """A special was deleted."""


class FlightRenamed(Struct, frozen=True, tag=True):
    """A flight was renamed."""


class Refused(Struct, frozen=True, tag=True):
    """A client error: nothing was written. `status` and `detail` of the response."""

    status: int
    detail: str


Outcome: TypeAlias = Created | Changed | HeaderChanged | Retired | FlightRenamed | Refused


def outcome_text(outcome: Outcome) -> str:
    """The outcome as text, to be stored."""
    return msgspec.json.encode(outcome).decode()


def read_outcome(text: str) -> Outcome:
    """The inverse of `outcome_text`."""
    outcome: Outcome = msgspec.json.decode(text, type=Outcome)
    return outcome
