"""The ports: what the use cases need of the place where everything is kept.

Each method raises Unavailable when that place cannot answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from flightspecial_service.domain.flights import Flight
from flightspecial_service.domain.specials import (
    FlightSpecial,
    Header,
    Listing,
    Offer,
    SpecialsFilter,
)

T = TypeVar("T")


class FlightSpecials(Protocol):
    """Where flight specials are read, and changed in ways that need no transaction.

    Lists are in order of expiry, then id; specials without an expiry come last.
    """

    async def listing(self, known: str | None = None) -> Listing | None:
        """All of them; None if the store is still as it was when it gave the mark `known`."""

    async def matching(self, specials_filter: SpecialsFilter) -> Sequence[FlightSpecial]:
        """The specials that match the filter, in order, at most `specials_filter.limit` of them."""

    async def find(self, number: int) -> FlightSpecial | None:
        """The one with this id (1 to `ID_MAX`)."""

    async def set_header(self, number: int, header: Header) -> bool:
        """Change one header, at once and whole; False if no special has this id."""


class Flights(Protocol):
    """Where flights are read."""

    async def find_flight(self, number: int) -> Flight | None:
        """The one with this number, with its history."""


class UnitOfWork(Protocol):
    """What can be done within one transaction: all of it happens, or none."""

    async def special(self, number: int) -> FlightSpecial | None:
        """The special with this id. Nobody else changes it until the end of the transaction."""

    async def add_special(self, offer: Offer) -> FlightSpecial:
        """A new special, with an id of its own."""

    async def save_special(self, special: FlightSpecial) -> FlightSpecial:
        """Keep what `special()` gave, changed; it comes back with its new version."""

    async def remove_special(self, number: int) -> None:
        """Take it out of the store."""

    async def flight(self, number: int) -> Flight | None:
        """The flight with this number. Nobody else changes it until the end of the transaction."""

    async def save_renamed(self, flight: Flight) -> None:
        """Keep a flight that `flight()` gave and that has been renamed once, with its history."""

    async def claim(self, key: str, fingerprint: bytes) -> str | None:
        """Take an idempotency key for this transaction; None if it was free.

        Else what `keep` kept under it. Waits for another transaction that has taken it. Raises
        KeyReused if it was taken for a request with another fingerprint.
        """

    async def keep(self, key: str, outcome: str) -> None:
        """Keep what came of the request that took this key."""


class Store(Protocol):
    """Where commands are carried out."""

    async def run(self, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """`act` in one transaction. Another transaction's deadlock repeats it: it only uses `UnitOfWork`."""
