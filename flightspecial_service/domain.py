"""Flight specials: the noun, its rules, and the port to where they are kept. No I/O, no clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.errors import BadHeader

HEADER_MAX = 255
"""Characters, as PostgreSQL's varchar counts them: code points."""
ID_MAX = 2**63 - 1
"""Ids are 1 to this: a PostgreSQL int8."""


class Header(Struct, frozen=True):
    """The line a flight special is sold with: 1 to `HEADER_MAX` characters that text can hold.

    Raises BadHeader.
    """

    text: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= HEADER_MAX:
            raise BadHeader(f"a header has 1 to {HEADER_MAX} characters, not {len(self.text)}")
        # PostgreSQL's text holds neither: the first ends a C string, the second is not a character.
        if "\0" in self.text:
            raise BadHeader("a header must not hold the character U+0000")
        if any("\ud800" <= character <= "\udfff" for character in self.text):
            raise BadHeader("a header must not hold half of a surrogate pair")


class FlightSpecial(Struct, frozen=True):
    """One flight on offer. `cost` is in dollars, `expires_at` in UTC; either may be unknown."""

    id: int
    header: str
    body: str | None = None
    origin: str | None = None
    origin_code: str | None = None
    destination: str | None = None
    destination_code: str | None = None
    cost: int | None = None
    expires_at: datetime | None = None

    def with_header(self, header: Header) -> "FlightSpecial":
        """The same special, sold with another line."""
        return replace(self, header=header.text)

    def on_sale(self, now: datetime) -> bool:
        """Whether it can be bought at `now`: it has a price, and its expiry is later."""
        return self.cost is not None and self.expires_at is not None and self.expires_at > now


class FlightSpecials(Protocol):
    """Where flight specials are kept. Each method raises Unavailable when that place cannot answer.

    Lists are in order of expiry, then id; specials without an expiry come last.
    """

    async def every(self) -> Sequence[FlightSpecial]:
        """All of them."""

    async def on_sale(self, now: datetime) -> Sequence[FlightSpecial]:
        """Those whose `on_sale(now)` holds. `now` carries a zone."""

    async def find(self, number: int) -> FlightSpecial | None:
        """The one with this id (1 to `ID_MAX`)."""

    async def set_header(self, number: int, header: Header) -> bool:
        """Change one header, at once and whole; False if no special has this id."""
