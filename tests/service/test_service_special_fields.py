"""The eight fields of a special are written out in several places: structs, conversions, SQL. All have to agree."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import Struct

from flightspecial_service.domain import FlightSpecial, Offer
from flightspecial_service.infrastructure.migrations.migrator import own_scripts
from flightspecial_service.infrastructure.postgres.specials import COLUMNS, naive_utc, special
from flightspecial_service.infrastructure.postgres.transactions import Tables, offer_values
from flightspecial_service.interface.api.schemas import (
    LegacySpecialOut,
    OfferIn,
    OfferPatch,
    SpecialOut,
    epoch_ms,
    legacy_special_out,
    new_offer,
    patched,
    special_out,
)

EXPIRY = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)
SPECIAL = FlightSpecial(7, "h", "b", "o", "OC", "d", "DC", 9, EXPIRY, version=3)
FIELDS = Offer.__struct_fields__
PUBLIC = tuple("expiry_date" if name == "expires_at" else name for name in FIELDS)
"""The names of the fields in JSON and in the table."""
TABLES = Tables("s", 1.0)


def names(pattern: str, sql: str) -> tuple[str, ...]:
    """The names that the groups of `pattern` find in the statement, in order."""
    return tuple(re.findall(pattern, sql))


def test_the_structs_have_the_fields_of_an_offer() -> None:
    assert len(FIELDS) == 8
    assert FlightSpecial.__struct_fields__ == ("id", *FIELDS, "version")
    assert OfferIn.__struct_fields__ == OfferPatch.__struct_fields__ == PUBLIC
    assert SpecialOut.__struct_fields__ == ("id", *PUBLIC)
    assert sorted(LegacySpecialOut.__struct_fields__) == sorted(("id", *PUBLIC))


@pytest.mark.parametrize(
    ("out", "expiry"),
    [(special_out(SPECIAL), EXPIRY), (legacy_special_out(SPECIAL), epoch_ms(EXPIRY))],
    ids=["own contract", "the monolith's contract"],
)
def test_each_field_goes_out_under_its_name(out: Struct, expiry: object) -> None:
    expected = {name: getattr(SPECIAL, name) for name in ("id", *FIELDS[:-1])}
    assert msgspec.structs.asdict(out) == expected | {"expiry_date": expiry}


def test_each_field_comes_in_under_its_name() -> None:
    body = {name: getattr(SPECIAL.offer, own) for name, own in zip(PUBLIC, FIELDS, strict=True)}
    assert new_offer(OfferIn(**body)) == SPECIAL.offer
    assert patched(FlightSpecial(7, "old"), OfferPatch(**body)) == SPECIAL.offer


def test_the_statements_have_the_columns_in_the_order_of_the_fields() -> None:
    create_table = own_scripts()[1].text.partition(".flightspecial (")[2].partition(");")[0]
    assert names(r"(?m)^ +(\w+)", create_table) == ("id", *PUBLIC)
    assert names(r"(\w+)(?:, |$)", COLUMNS) == ("id", *PUBLIC, "version")
    assert names(r"(\w+)[,)]", TABLES.add.partition(" VALUES")[0]) == PUBLIC
    assert names(r"(\w+) = \$", TABLES.save.partition(" WHERE")[0]) == PUBLIC


def test_rows_and_parameters_are_in_the_order_of_the_fields() -> None:
    values = tuple(getattr(SPECIAL, name) for name in FIELDS[:-1])
    parameters = (*values, naive_utc(EXPIRY))
    assert offer_values(SPECIAL) == offer_values(SPECIAL.offer) == parameters
    assert special((7, *parameters, 3)) == SPECIAL  # type: ignore[arg-type]
