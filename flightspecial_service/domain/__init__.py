"""Entities, their rules, and the ports to their stores. No I/O, no clock."""

from flightspecial_service.domain.flights import Flight
from flightspecial_service.domain.ports import Flights, FlightSpecials, Store, UnitOfWork
from flightspecial_service.domain.specials import (
    HEADER_MAX,
    ID_MAX,
    Cursor,
    FlightSpecial,
    Header,
    Listing,
    Offer,
    SpecialsFilter,
)

__all__ = [
    "HEADER_MAX",
    "ID_MAX",
    "Cursor",
    "Flight",
    "FlightSpecial",
    "FlightSpecials",
    "Flights",
    "Header",
    "Listing",
    "Offer",
    "SpecialsFilter",
    "Store",
    "UnitOfWork",
]
