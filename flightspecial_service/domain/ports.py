"""The ports: what the use cases need from a database.

Each method raises Unavailable if the database cannot serve it.
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
    """Reads of flight specials, and changes that are one statement.

    Lists are in order of expiry, then id; specials without an expiry come last.
    """

    async def listing(self, known: str | None = None) -> Listing | None:
        """All specials; None if nothing has changed since the listing with the mark `known`."""

    async def matching(self, specials_filter: SpecialsFilter) -> Sequence[FlightSpecial]:
        """The specials that match the filter, in order, at most `specials_filter.limit` of them."""

    async def find(self, number: int) -> FlightSpecial | None:
        """The special with this id (1 to `ID_MAX`)."""

    async def set_header(self, number: int, header: Header) -> bool:
        """Change one header atomically; False if no special has this id."""


class Flights(Protocol):
    """Reads of flights."""

    async def flight_with_names(
        self, number: int, after: int, limit: int
    ) -> tuple[Flight, Sequence[str]] | None:
        """The flight with this number, and a page of its former names, oldest first.

        The page begins after the first `after` names, and has at most `limit`.
        """


class UnitOfWork(Protocol):
    """The operations within one transaction."""

    async def special(self, number: int) -> FlightSpecial | None:
        """The special with this id, locked until the end of the transaction."""

    async def add_special(self, offer: Offer) -> FlightSpecial:
        """Create a special with a new id."""

    async def save_special(self, special: FlightSpecial) -> FlightSpecial:
        """Save a changed special that `special()` returned; return it with its new version."""

    async def remove_special(self, number: int) -> None:
        """Delete the special with this id."""

    async def flight(self, number: int) -> Flight | None:
        """The flight with this number, locked until the end of the transaction."""

    async def save_renamed(self, flight: Flight, former_name: str) -> None:
        """Save the new name of a flight, and append the former one to its history."""

    async def claim(self, key: str, fingerprint: bytes) -> str | None:
        """Claim an idempotency key for this transaction; None if it was free.

        Otherwise return the outcome that `keep` stored under it. Waits for another transaction that
        has claimed the key. Raises KeyReused if it belongs to a request with another fingerprint.
        """

    async def keep(self, key: str, outcome: str) -> None:
        """Store the outcome of the request that claimed this key."""


class Store(Protocol):
    """Runs commands in transactions."""

    async def run(self, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run `act` in one transaction.

        It is repeated after a deadlock or serialization failure, so `act` must have no effects but
        those of its UnitOfWork.
        """
