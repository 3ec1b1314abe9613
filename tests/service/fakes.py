"""Stores in memory. They pass the same contract tests as those in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from msgspec.structs import replace

from flightspecial_service.app import HttpDependencies, Stores, utc_now
from flightspecial_service.domain import (
    Flight,
    FlightSpecial,
    Header,
    Listing,
    Offer,
    SpecialsFilter,
    UnitOfWork,
)
from flightspecial_service.errors import KeyReused
from flightspecial_service.interface.api.probes import Readiness
from flightspecial_service.interface.http.middleware import Drain
from flightspecial_service.telemetry import Telemetry

T = TypeVar("T")

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class FakeSpecials:
    """The port `FlightSpecials` on a dictionary. Its mark counts the changes."""

    def __init__(self, specials: Iterable[FlightSpecial] = ()) -> None:
        self.kept = {special.id: special for special in specials}
        self._last_listed: tuple[int, dict[int, FlightSpecial]] = (0, {})

    async def listing(self, known: str | None = None) -> Listing | None:
        number, before = self._last_listed
        if before != self.kept or number == 0:
            self._last_listed = (number + 1, dict(self.kept))
        mark = str(self._last_listed[0])
        if mark == known:
            return None
        return Listing(mark, tuple(sorted(self.kept.values(), key=_by_expiry)))

    async def matching(self, specials_filter: SpecialsFilter) -> Sequence[FlightSpecial]:
        specials = sorted(self.kept.values(), key=_by_expiry)
        return [each for each in specials if _matches(specials_filter, each)][
            : specials_filter.limit
        ]

    async def find(self, number: int) -> FlightSpecial | None:
        return self.kept.get(number)

    async def set_header(self, number: int, header: Header) -> bool:
        if number not in self.kept:
            return False
        self.kept[number] = self.kept[number].with_header(header)
        return True


class BrokenSpecials(FakeSpecials):
    """A store whose listing fails with `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def listing(self, known: str | None = None) -> Listing | None:
        raise self._error


class FakeStore:
    """The ports `Store`, `UnitOfWork` and `Flights`. Transactions run one by one and are undone on failure."""

    def __init__(self, specials: FakeSpecials, flights: Iterable[Flight] = ()) -> None:
        self._specials = specials
        self.flights = {flight.no: flight for flight in flights}
        self.past_names: dict[int, tuple[str, ...]] = {}
        self.keys: dict[str, tuple[bytes, str]] = {}
        self._claimed: dict[str, bytes] = {}
        self._lock = asyncio.Lock()

    async def run(self, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        async with self._lock:
            kept, keys = dict(self._specials.kept), dict(self.keys)
            flights, past_names = dict(self.flights), dict(self.past_names)
            try:
                return await act(self)
            except BaseException:
                self._specials.kept, self.keys = kept, keys
                self.flights, self.past_names = flights, past_names
                raise

    async def flight_with_names(
        self, number: int, after: int, limit: int
    ) -> tuple[Flight, Sequence[str]] | None:
        flight = self.flights.get(number)
        names = self.past_names.get(number, ())
        return None if flight is None else (flight, names[after : after + limit])

    async def special(self, number: int) -> FlightSpecial | None:
        return self._specials.kept.get(number)

    async def add_special(self, offer: Offer) -> FlightSpecial:
        number = max(self._specials.kept, default=0) + 1
        fields = {name: getattr(offer, name) for name in Offer.__struct_fields__}
        special = FlightSpecial(number, **fields)
        self._specials.kept[number] = special
        return special

    async def save_special(self, special: FlightSpecial) -> FlightSpecial:
        saved = replace(special, version=self._specials.kept[special.id].version + 1)
        self._specials.kept[special.id] = saved
        return saved

    async def remove_special(self, number: int) -> None:
        del self._specials.kept[number]

    async def flight(self, number: int) -> Flight | None:
        return self.flights.get(number)

    async def save_renamed(self, flight: Flight, former_name: str) -> None:
        self.flights[flight.no] = flight
        self.past_names[flight.no] = (*self.past_names.get(flight.no, ()), former_name)

    async def claim(self, key: str, fingerprint: bytes) -> str | None:
        taken = self.keys.get(key)
        if taken is None:
            self._claimed[key] = fingerprint
            return None
        if taken[0] != fingerprint:
            raise KeyReused("this idempotency key was used for another request")
        return taken[1]

    async def keep(self, key: str, outcome: str) -> None:
        self.keys[key] = (self._claimed[key], outcome)


class AlwaysReady:
    """The port `Readiness`: always ready."""

    async def check(self) -> None:
        return None


def in_memory(specials: FakeSpecials) -> Stores:
    """All stores, with these specials and without flights."""
    store = FakeStore(specials)
    return Stores(specials, store, store)


def http_dependencies(
    readiness: Readiness | None = None, now: Callable[[], datetime] = utc_now
) -> HttpDependencies:
    """What the HTTP side needs besides the stores; ready by default."""
    return HttpDependencies(readiness or AlwaysReady(), now, Telemetry(), Drain())


def _matches(wanted: SpecialsFilter, special: FlightSpecial) -> bool:
    expiry, after = special.expires_at, wanted.after
    return (
        wanted.origin in (None, special.origin, special.origin_code)
        and wanted.destination in (None, special.destination, special.destination_code)
        and (wanted.unexpired_at is None or (expiry is not None and expiry > wanted.unexpired_at))
        and (after is None or _by_expiry(special) > _order(after.expires_at, after.id))
    )


def _by_expiry(special: FlightSpecial) -> tuple[object, ...]:
    return _order(special.expires_at, special.id)


def _order(expires_at: datetime | None, number: int) -> tuple[object, ...]:
    """By expiry, then id; specials without an expiry come last."""
    return (expires_at is None, expires_at or _ANY_TIME, number)
