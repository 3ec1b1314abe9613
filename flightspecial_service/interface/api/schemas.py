"""JSON bodies of the service's own contract and of the monolith's.

The docstrings of these structs are descriptions in the OpenAPI document.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import asdict

from flightspecial_service.domain import Flight, FlightSpecial
from flightspecial_service.domain.flights import NAME_MAX
from flightspecial_service.domain.specials import CODE_MAX, COST_MAX, HEADER_MAX, ID_MAX, TEXT_MAX
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.http.messages import HeaderPairs, Response

JSON = ((b"content-type", b"application/json"),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

HeaderText = Annotated[str, Meta(min_length=1, extra_json_schema={"maxLength": HEADER_MAX})]
"""Its length is checked by the domain, after build labels are removed."""
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
Code = Annotated[str, Meta(min_length=1, max_length=CODE_MAX)]
Cost = Annotated[int, Meta(ge=0, le=COST_MAX)]
Expiry = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=1, le=ID_MAX)]
FlightName = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]


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
    expires_at: datetime | None = field(name="expiryDate")


class LegacySpecialOut(Struct, frozen=True, rename="camel"):
    """A flight special in the monolith's contract; `expiryDate` is in ms since 1970 UTC."""

    id: int
    header: str
    body: str | None
    cost: int | None
    expires_at: int | None = field(name="expiryDate")
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
    expires_at: Expiry | None = field(default=None, name="expiryDate")


class OfferPatch(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396) of a special: null removes, what is absent stays."""

    header: HeaderText | UnsetType = UNSET
    body: Text | UnsetType | None = UNSET
    origin: Text | UnsetType | None = UNSET
    origin_code: Code | UnsetType | None = UNSET
    destination: Text | UnsetType | None = UNSET
    destination_code: Code | UnsetType | None = UNSET
    cost: Cost | UnsetType | None = UNSET
    expires_at: Expiry | UnsetType | None = field(default=UNSET, name="expiryDate")


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


def special_out(special: FlightSpecial) -> SpecialOut:
    """The special in the service's own contract."""
    return msgspec.convert(special, SpecialOut, from_attributes=True)


def legacy_special_out(special: FlightSpecial) -> LegacySpecialOut:
    """The special in the monolith's contract."""
    fields = {name: getattr(special, name) for name in LegacySpecialOut.__struct_fields__}
    expiry = special.expires_at
    return LegacySpecialOut(**fields | {"expires_at": None if expiry is None else epoch_ms(expiry)})


def history_out(flight: Flight, after: int, names: Iterable[str]) -> FlightHistory:
    """A page of the flight's former names, which are numbered from 1; `after` precede the page."""
    past = [PastName(number, name) for number, name in enumerate(names, after + 1)]
    return FlightHistory(flight.no, flight.name, past)


def named_fields(body: OfferIn | OfferPatch) -> dict[str, Any]:
    """The fields of an offer that the body names (RFC 7396)."""
    fields = {name: value for name, value in asdict(body).items() if value is not UNSET}
    if "expires_at" in fields:
        fields["expires_at"] = _utc(fields["expires_at"])
    return fields


def epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down. Integers only, as a float would lose digits."""
    return (instant - _EPOCH) // _MILLISECOND


def json_response(content: object, status: int = 200, headers: HeaderPairs = ()) -> Response:
    """A response with this content as JSON."""
    return Response(status, msgspec.json.encode(content), (*JSON, *headers))


def special_response(
    special: FlightSpecial, build_label: BuildLabel, status: int = 200, more: HeaderPairs = ()
) -> Response:
    """A response with one special, its header text behind the build label."""
    shown = special_out(build_label.shown(special))
    return json_response(shown, status, (*build_label.text_headers, *more))


def _utc(instant: datetime | None) -> datetime | None:
    """In UTC; unchanged if the year is out of range there, which the domain refuses."""
    try:
        return None if instant is None else instant.astimezone(UTC)
    except OverflowError:
        return instant
