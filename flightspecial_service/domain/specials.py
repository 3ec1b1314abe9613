"""Flight specials and their rules."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from flightspecial_service.domain.texts import check_text
from flightspecial_service.errors import BadHeader, BadOffer

HEADER_MAX = 255
"""Code points, as PostgreSQL's varchar counts them."""
TEXT_MAX = 255
CODE_MAX = 6
COST_MAX = 2**31 - 1
"""US dollars; a PostgreSQL int4."""
ID_MAX = 2**63 - 1
"""Ids are 1 to this; a PostgreSQL int8."""

_LONGEST = {
    "body": TEXT_MAX,
    "origin": TEXT_MAX,
    "origin_code": CODE_MAX,
    "destination": TEXT_MAX,
    "destination_code": CODE_MAX,
}


class Header(Struct, frozen=True):
    """The title of a flight special: 1 to `HEADER_MAX` characters.

    Raises BadHeader.
    """

    text: str

    def __post_init__(self) -> None:
        check_text("a header", self.text, HEADER_MAX, BadHeader)


class Offer(Struct, frozen=True, kw_only=True):
    """The fields of a flight special that clients set. Texts are None instead of empty.

    Raises BadHeader, BadOffer.
    """

    header: str
    body: str | None = None
    origin: str | None = None
    origin_code: str | None = None
    destination: str | None = None
    destination_code: str | None = None
    cost: int | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        check_fields(asdict(self))


class FlightSpecial(Struct, frozen=True):
    """A flight special. `cost` is in US dollars, `expires_at` in UTC; both may be unknown.

    `version` counts its states from 1: equal versions of one special have equal fields.
    """

    id: int
    header: str
    body: str | None = None
    origin: str | None = None
    origin_code: str | None = None
    destination: str | None = None
    destination_code: str | None = None
    cost: int | None = None
    expires_at: datetime | None = None
    version: int = 1

    def with_header(self, header: Header) -> "FlightSpecial":
        """A copy with another header."""
        return replace(self, header=header.text, version=self.version + 1)

    def with_changes(self, changes: Mapping[str, Any]) -> "FlightSpecial":
        """A copy with these fields of an offer; `self` if nothing changed.

        Other stored fields are not checked: they may be older than the rules. Raises BadHeader, BadOffer.
        """
        check_fields(changes)
        if all(getattr(self, name) == value for name, value in changes.items()):
            return self
        return replace(self, **changes, version=self.version + 1)

    def on_sale(self, now: datetime) -> bool:
        """Whether it can be bought at `now`: it has a cost, and its expiry is later."""
        return self.cost is not None and self.expires_at is not None and self.expires_at > now


class Listing(Struct, frozen=True):
    """All specials of one snapshot, in order. Listings with equal marks are equal; None equals none."""

    mark: str | None
    specials: tuple[FlightSpecial, ...]


class Cursor(Struct, frozen=True):
    """A position in the list: after the special with this expiry and id."""

    expires_at: datetime | None
    id: int


class SpecialsFilter(Struct, frozen=True, kw_only=True):
    """A filter for the list. `origin` and `destination` are names or codes.

    `unexpired_at` excludes specials that have expired by then; `limit` None means no limit.
    """

    origin: str | None = None
    destination: str | None = None
    unexpired_at: datetime | None = None
    after: Cursor | None = None
    limit: int | None = None


def check_fields(fields: Mapping[str, Any]) -> None:
    """Raise BadHeader or BadOffer if one of these fields of an offer violates its rule."""
    for name, value in fields.items():
        if name == "header":
            Header(value)
        elif value is None:
            continue
        elif name == "cost":
            _check_cost(value)
        elif name == "expires_at":
            _check_expiry(value)
        else:
            check_text(f"the {name.replace('_', ' ')}", value, _LONGEST[name], BadOffer)


def _check_cost(cost: int) -> None:
    if not 0 <= cost <= COST_MAX:
        raise BadOffer(f"a cost is 0 to {COST_MAX} dollars, not {cost}")


def _check_expiry(expires_at: datetime) -> None:
    if expires_at.tzinfo is None:
        raise BadOffer("an expiry needs its offset from UTC, as in 2030-01-31T12:00:00Z")
    try:
        year = expires_at.astimezone(UTC).year
    except OverflowError as error:
        raise BadOffer("an expiry lies in the years 1970 to 9999, in UTC") from error
    if year < 1970:
        raise BadOffer("an expiry lies in the years 1970 to 9999, in UTC")
