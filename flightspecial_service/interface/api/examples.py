"""Examples in the OpenAPI document, made from the same structs as the bodies themselves."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from flightspecial_service.domain import FlightSpecial
from flightspecial_service.errors import BodyError
from flightspecial_service.interface.api.probes import Probe
from flightspecial_service.interface.api.schemas import (
    Done,
    FlightHistory,
    HeaderChange,
    NameChange,
    OfferIn,
    OfferPatch,
    PastName,
    legacy_special_out,
    special_out,
)
from flightspecial_service.interface.http.problems import Problem

_SPECIAL = FlightSpecial(
    id=1,
    header="London to Prague",
    body="Jewel of the East",
    origin="London",
    origin_code="LHR",
    destination="Paris",
    destination_code="CDG",
    cost=93,
    expires_at=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC),
)
_OFFER = OfferIn(header="Seoul to Busan", origin_code="SEL", destination_code="PUS", cost=49)
_PROBLEM = Problem(
    "Unprocessable Content",
    422,
    "the body does not fit; errors has every mistake",
    (BodyError("#/cost", "Expected `int | null`, got `str`"),),
)

EXAMPLES: dict[str, Any] = {
    type(each).__name__: msgspec.to_builtins(each)
    for each in (
        special_out(_SPECIAL),
        legacy_special_out(_SPECIAL),
        msgspec.structs.replace(_OFFER, expires_at=_SPECIAL.expires_at),
        OfferPatch(cost=89, expires_at=None),
        HeaderChange(id=1, flight_special_header="London to Prague, by night"),
        NameChange(flight_no=1, flight_name="Prague express"),
        PastName(number=1, flight_name="Prague express"),
        FlightHistory(1, "Prague night express", [PastName(1, "Prague express")]),
        Done("Y", "The flight special header successfully updated"),
        Probe("ready"),
        BodyError("#/cost", "Expected `int | null`, got `str`"),
        _PROBLEM,
    )
}
"""By the name of the schema."""
