"""The monolith's flight and hotel specials: rows that expire, and are offered again a little later."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

_FIRST_MS = 79_200
_SPREAD_MS = 20_000_000
_GONE_MS = 5_000
"""How long an expired row is hidden before it is offered again, so that a demonstration always has rows."""

_EXPIRY = "expiryDate"

_FLIGHTS = (
    ("London to Prague", "Jewel of the East", "London", "LHR", "Paris", "CDG"),
    ("Paris to London", "Weekend getaway!"),
    ("Dubai to Cairo", "Middle East adventure"),
    ("Melbourne to Hawaii", "Escape to the sun this winter"),
    ("Buenos Aires to Rio", "Time to carnivale!"),
    ("Sydney to Rome", "An Italian classic"),
    ("Melbourne to Sydney", "Well trodden path"),
    ("Hong Kong to Kuala Lumpur", "Hop step and a jump"),
    ("Lisbon to Madrid", "Spanish adventure"),
    ("Aswan to Cairo", "An experience of a lifetime"),
    ("New York to London", "Trans-Atlantic"),
)
_FAR = frozenset(
    {
        "Dubai to Cairo",
        "Melbourne to Hawaii",
        "Buenos Aires to Rio",
        "Sydney to Rome",
        "Hong Kong to Kuala Lumpur",
        "Aswan to Cairo",
        "New York to London",
    }
)
"""Seven flights cost up to 500 more than the least, the others up to 200."""

_ELSEWHERE = ("Origin", "ORG", "Destination", "DST")
_HOTELS = (
    ("Sommerset Hotel", "Minimum stay 3 nights", "Sydney"),
    ("Freedmom Apartments", "Pets allowed!", "Sydney"),
    ("Studio City", "Minimum stay one week", "Los Angeles"),
    ("Le Fleur Hotel", "Not available weekends", "Los Angeles"),
    ("Classic Hotel", "Includes breakfast", "Dallas"),
    ("Groundhog Suites", "Internet access included", "Florida"),
    ("Sophmore Suites", "Maximum 2 people per room", "London"),
    ("Hotel Sandra", "Minimum stay two nights", "Cairo"),
    ("Apartamentos de Nestor", "Pool and spa access included", "Madrid"),
    ("Kangaroo Hotel", "Maximum 2 people per room", "Manchester"),
    ("EasyStay Apartments", "Minimum stay one week", "Melbourne"),
)
_MARK = " (monolith)"
"""In every flight's body, so that a reader can tell the monolith's list from the service's."""


class Special(Struct, frozen=True):
    """One row: its JSON fields in order, the expiry's among them; `expires_ms` is epoch milliseconds."""

    fields: dict[str, Any]
    expires_ms: int

    def shown(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {**self.fields, _EXPIRY: self.expires_ms}


class Shelf:
    """Specials of one kind. `now_ms` is the clock; `draw` gives uniform numbers from [0, 1)."""

    def __init__(
        self,
        rows: list[dict[str, Any]],
        now_ms: Callable[[], int],
        draw: Callable[[], float],
    ) -> None:
        self._now_ms = now_ms
        self._draw = draw
        self._specials = [Special(row, self._expiry(now_ms())) for row in rows]

    def on_sale(self) -> list[dict[str, Any]]:
        """Those that expire later than now, by expiry and id. Rows that expired a while ago get a new expiry."""
        now_ms = self._now_ms()
        self._specials = [self._renewed(special, now_ms) for special in self._specials]
        left = [special for special in self._specials if special.expires_ms > now_ms]
        left.sort(key=lambda special: (special.expires_ms, special.fields["id"]))
        return [special.shown() for special in left]

    def _renewed(self, special: Special, now_ms: int) -> Special:
        if special.expires_ms + _GONE_MS > now_ms:
            return special
        return replace(special, expires_ms=self._expiry(now_ms))

    def _expiry(self, now_ms: int) -> int:
        return now_ms + _FIRST_MS + int(self._draw() * _SPREAD_MS)


def flights(now_ms: Callable[[], int], draw: Callable[[], float]) -> Shelf:
    """The eleven flight specials."""
    places = ("origin", "originCode", "destination", "destinationCode")
    rows = []
    for number, (header, body, *known) in enumerate(_FLIGHTS, 1):
        special = {
            "id": number,
            "header": header,
            "body": body + _MARK,
            "cost": 50 + int(draw() * (500 if header in _FAR else 200)),
            _EXPIRY: None,
            **dict(zip(places, known or _ELSEWHERE, strict=True)),
        }
        rows.append(special)
    return Shelf(rows, now_ms, draw)


def hotels(now_ms: Callable[[], int], draw: Callable[[], float]) -> Shelf:
    """The eleven hotel specials."""
    rows = [
        {
            "id": number,
            "hotel": hotel,
            "description": description,
            "cost": 50 + int(draw() * 1000),
            _EXPIRY: None,
            "location": location,
        }
        for number, (hotel, description, location) in enumerate(_HOTELS, 1)
    ]
    return Shelf(rows, now_ms, draw)
