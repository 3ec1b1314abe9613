"""A store of flight specials in memory, which keeps the same contract as the one in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from flightspecial_service.domain import FlightSpecial, Header


class FakeSpecials:
    """The port `FlightSpecials`, over a dictionary."""

    def __init__(self, specials: Iterable[FlightSpecial] = ()) -> None:
        self.kept = {special.id: special for special in specials}

    async def every(self) -> Sequence[FlightSpecial]:
        return sorted(self.kept.values(), key=_by_expiry)

    async def on_sale(self, now: datetime) -> Sequence[FlightSpecial]:
        return [special for special in await self.every() if special.on_sale(now)]

    async def find(self, number: int) -> FlightSpecial | None:
        return self.kept.get(number)

    async def set_header(self, number: int, header: Header) -> bool:
        if number not in self.kept:
            return False
        self.kept[number] = self.kept[number].with_header(header)
        return True


class BrokenSpecials(FakeSpecials):
    """A store whose every question fails with `error`, whatever it is."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def every(self) -> Sequence[FlightSpecial]:
        raise self._error

    async def on_sale(self, now: datetime) -> Sequence[FlightSpecial]:
        raise self._error


class AlwaysReady:
    """The port `Readiness`: yes."""

    async def check(self) -> None:
        return None


def _by_expiry(special: FlightSpecial) -> tuple[bool, float, int]:
    if special.expires_at is None:
        return (True, 0.0, special.id)
    return (False, special.expires_at.timestamp(), special.id)
