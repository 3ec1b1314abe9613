"""What goes over the wire: the service's own contract and the monolith's."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from flightspecial_service.domain import FlightSpecial
from flightspecial_service.errors import Invalid, Malformed
from flightspecial_service.interface.exchange import Answer

_JSON = ((b"content-type", b"application/json"),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class SpecialOut(Struct, frozen=True, rename="camel"):
    """A flight special in the service's own contract; `expiry_date` is ISO 8601 in UTC."""

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
    """A flight special in the monolith's contract; `expiry_date` is in ms since 1970 UTC."""

    id: int
    header: str
    body: str | None
    cost: int | None
    expiry_date: int | None
    origin: str | None
    origin_code: str | None
    destination: str | None
    destination_code: str | None


class HeaderChange(Struct, frozen=True, rename="camel"):
    """The body of a header update. Unknown fields are ignored, as the original ignores them."""

    id: int
    flight_special_header: str


class Done(Struct, frozen=True, rename="camel"):
    """The original's answer to a command that was carried out."""

    result_code: str
    data: str


def special_out(special: FlightSpecial) -> SpecialOut:
    """In the service's own contract."""
    return SpecialOut(
        id=special.id,
        header=special.header,
        body=special.body,
        origin=special.origin,
        origin_code=special.origin_code,
        destination=special.destination,
        destination_code=special.destination_code,
        cost=special.cost,
        expiry_date=special.expires_at,
    )


def legacy_special_out(special: FlightSpecial) -> LegacySpecialOut:
    """In the monolith's contract."""
    return LegacySpecialOut(
        id=special.id,
        header=special.header,
        body=special.body,
        cost=special.cost,
        expiry_date=None if special.expires_at is None else epoch_ms(special.expires_at),
        origin=special.origin,
        origin_code=special.origin_code,
        destination=special.destination,
        destination_code=special.destination_code,
    )


def epoch_ms(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down. Integers all the way: a float loses some."""
    return (instant - _EPOCH) // _MILLISECOND


def json_answer(content: object) -> Answer:
    """200 with this content."""
    return Answer(200, msgspec.json.encode(content), _JSON)


def read_header_change(body: bytes) -> HeaderChange:
    """The body of a header update.

    Raises Malformed when it is not JSON, Invalid when it is another JSON than is needed.
    """
    try:
        return msgspec.json.decode(body, type=HeaderChange)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not _is_json(body):
            raise Malformed("the body is not JSON") from error
        if isinstance(error, msgspec.ValidationError):
            raise Invalid(f"the body is not what is needed here: {error}") from error
        # RFC 8259 allows it (section 8.2), msgspec calls it broken.
        raise Invalid("a text in the body holds half of a surrogate pair") from error


def _is_json(body: bytes) -> bool:
    """Whether the body is JSON at all: msgspec stops at the first thing that is not as asked for."""
    try:
        json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are Python's idea of JSON."""
    raise ValueError(name)
