"""JSON bodies of the service's own contract and of the monolith's.

The docstrings of these structs are descriptions in the OpenAPI document.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from flightspecial_service.domain import Flight, FlightSpecial, Offer
from flightspecial_service.domain.flights import NAME_MAX
from flightspecial_service.domain.specials import CODE_MAX, COST_MAX, HEADER_MAX, ID_MAX, TEXT_MAX
from flightspecial_service.interface.http.messages import Response

JSON = ((b"content-type", b"application/json"),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# PostgreSQL cannot store U+0000.
_NO_NUL = r"^[^\x00]*$"
HeaderText = Annotated[str, Meta(min_length=1, max_length=HEADER_MAX, pattern=_NO_NUL)]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, pattern=_NO_NUL)]
Code = Annotated[str, Meta(min_length=1, max_length=CODE_MAX, pattern=_NO_NUL)]
Cost = Annotated[int, Meta(ge=0, le=COST_MAX)]
Expiry = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=1, le=ID_MAX)]
FlightName = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, pattern=_NO_NUL)]


class SpecialOut(Struct, frozen=True, rename="camel"):
    """A flight special in the service's own contract; `expiryDate` is ISO 8601 in UTC."""

    id: int
    header: str
    body: str | None
    origin: str | None
    origin_code: str | None
    destination: str | None
    destination_code: str | None
    cost: int | None
    expiry_date: datetime | None


class LegacySpecialOut(Struct, frozen=True, rename="camel"):
    """A flight special in the monolith's contract; `expiryDate` is in ms since 1970 UTC."""

    id: int
    header: str
    body: str | None
    cost: int | None
    expiry_date: int | None
    origin: str | None
    origin_code: str | None
    destination: str | None
    destination_code: str | None


class OfferIn(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The body that creates a special."""

    header: HeaderText
    body: Text | None = None
    origin: Text | None = None
    origin_code: Code | None = None
    destination: Text | None = None
    destination_code: Code | None = None
    cost: Cost | None = None
    expiry_date: Expiry | None = None


class OfferPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396) of a special: null removes, what is absent stays."""

    header: HeaderText | UnsetType = UNSET
    body: Text | UnsetType | None = UNSET
    origin: Text | UnsetType | None = UNSET
    origin_code: Code | UnsetType | None = UNSET
    destination: Text | UnsetType | None = UNSET
    destination_code: Code | UnsetType | None = UNSET
    cost: Cost | UnsetType | None = UNSET
    expiry_date: Expiry | UnsetType | None = UNSET


class HeaderChange(Struct, frozen=True, rename="camel"):
    """The body of a header update. Unknown fields are ignored, as the original ignores them."""

    id: Number
    flight_special_header: HeaderText


class NameChange(Struct, frozen=True, rename="camel"):
    """The body that renames a flight. Unknown fields are ignored, as the original ignores them."""

    flight_no: Number
    flight_name: FlightName


class PastName(Struct, frozen=True, rename="camel"):
    """A name that a flight had; `number` counts them from 1, the oldest."""

    number: int
    flight_name: str


class FlightHistory(Struct, frozen=True, rename="camel"):
    """A flight with its name and those before."""

    flight_no: int
    flight_name: str
    history: list[PastName]


class Done(Struct, frozen=True, rename="camel"):
    """The original's answer to a command that was carried out."""

    result_code: str
    data: str


def special_out(special: FlightSpecial, prefix: str = "") -> SpecialOut:
    """The special in the service's own contract, with `prefix` before its header."""
    return SpecialOut(
        special.id,
        prefix + special.header,
        special.body,
        special.origin,
        special.origin_code,
        special.destination,
        special.destination_code,
        special.cost,
        special.expires_at,
    )


def legacy_special_out(special: FlightSpecial, prefix: str = "") -> LegacySpecialOut:
    """The special in the monolith's contract, with `prefix` before its header."""
    return LegacySpecialOut(
        id=special.id,
        header=prefix + special.header,
        body=special.body,
        cost=special.cost,
        expiry_date=None if special.expires_at is None else epoch_ms(special.expires_at),
        origin=special.origin,
        origin_code=special.origin_code,
        destination=special.destination,
        destination_code=special.destination_code,
    )


def flight_history(flight: Flight) -> FlightHistory:
    """The flight's former names, numbered from 1."""
    past = [PastName(number, name) for number, name in enumerate(flight.past_names, 1)]
    return FlightHistory(flight.no, flight.name, past)


def new_offer(body: OfferIn) -> Offer:
    """The offer in the body that creates a special."""
    return Offer(
        header=body.header,
        body=body.body,
        origin=body.origin,
        origin_code=body.origin_code,
        destination=body.destination,
        destination_code=body.destination_code,
        cost=body.cost,
        expires_at=_utc(body.expiry_date),
    )


def patched(special: FlightSpecial, patch: OfferPatch) -> Offer:
    """The fields of a special after the patch (RFC 7396)."""
    fields = {name: getattr(special, name) for name in Offer.__struct_fields__}
    for name in patch.__struct_fields__:
        value = getattr(patch, name)
        if value is not UNSET and name == "expiry_date":
            fields["expires_at"] = _utc(value)
        elif value is not UNSET:
            fields[name] = value
    return Offer(**fields)


def epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down. Integers only, as a float would lose digits."""
    return (instant - _EPOCH) // _MILLISECOND


def json_response(content: object, status: int = 200) -> Response:
    """A response with this content as JSON."""
    return Response(status, msgspec.json.encode(content), JSON)


def _utc(instant: datetime | None) -> datetime | None:
    """In UTC; unchanged if the year is out of range there, which the domain refuses."""
    try:
        return None if instant is None else instant.astimezone(UTC)
    except OverflowError:
        return instant
