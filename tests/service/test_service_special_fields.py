"""The eight fields of a special are written out in several places: structs, conversions, SQL. All have to agree."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

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
    named_fields,
    special_out,
)

EXPIRY = datetime(2030, 1, 2, 3, 4, 5, 678000, UTC)
SPECIAL = FlightSpecial(7, "h", "b", "o", "OC", "d", "DC", 9, EXPIRY, version=3)
FIELDS = Offer.__struct_fields__
OFFER = Offer(**{name: getattr(SPECIAL, name) for name in FIELDS})
PUBLIC = tuple("expiry_date" if name == "expires_at" else name for name in FIELDS)
"""The names of the fields in the table, and in JSON in camel case."""
TABLES = Tables("s", 1.0)


def names(pattern: str, sql: str) -> tuple[str, ...]:
    """The names that the groups of `pattern` find in the statement, in order."""
    return tuple(re.findall(pattern, sql))


def test_the_structs_have_the_fields_of_an_offer() -> None:
    assert len(FIELDS) == 8
    assert FlightSpecial.__struct_fields__ == ("id", *FIELDS, "version")
    assert OfferIn.__struct_fields__ == OfferPatch.__struct_fields__ == FIELDS
    assert SpecialOut.__struct_fields__ == ("id", *FIELDS)
    assert sorted(LegacySpecialOut.__struct_fields__) == sorted(("id", *FIELDS))


@pytest.mark.parametrize("kind", [OfferIn, OfferPatch, SpecialOut, LegacySpecialOut])
def test_the_names_in_json_are_those_of_the_table_in_camel_case(kind: type[Struct]) -> None:
    names = {each.encode_name for each in msgspec.structs.fields(kind)} - {"id"}
    assert names == {re.sub("_(.)", lambda match: match[1].upper(), name) for name in PUBLIC}


@pytest.mark.parametrize(
    ("out", "expiry"),
    [(special_out(SPECIAL), EXPIRY), (legacy_special_out(SPECIAL), epoch_ms(EXPIRY))],
    ids=["own contract", "the monolith's contract"],
)
def test_each_field_goes_out_under_its_name(out: Struct, expiry: object) -> None:
    expected = {name: getattr(SPECIAL, name) for name in ("id", *FIELDS)}
    assert msgspec.structs.asdict(out) == expected | {"expires_at": expiry}


def test_each_field_comes_in_under_its_name() -> None:
    body = msgspec.structs.asdict(OFFER)
    for kind in (OfferIn, OfferPatch):
        assert named_fields(kind(**body)) == body
        assert FlightSpecial(7, "old").with_changes(body) == replace(SPECIAL, version=2)


def test_the_statements_have_the_columns_in_the_order_of_the_fields() -> None:
    create_table = own_scripts()[1].text.partition(".flightspecial (")[2].partition(");")[0]
    assert names(r"(?m)^ +(\w+)", create_table) == ("id", *PUBLIC)
    assert names(r"(\w+)(?:, |$)", COLUMNS) == ("id", *PUBLIC, "version")
    assert names(r"(\w+)[,)]", TABLES.add.partition(" VALUES")[0]) == PUBLIC
    assert names(r"(\w+) = \$", TABLES.save.partition(" WHERE")[0]) == PUBLIC


def test_rows_and_parameters_are_in_the_order_of_the_fields() -> None:
    values = tuple(getattr(SPECIAL, name) for name in FIELDS[:-1])
    parameters = (*values, naive_utc(EXPIRY))
    assert offer_values(SPECIAL) == offer_values(OFFER) == parameters
    assert special((7, *parameters, 3)) == SPECIAL  # type: ignore[arg-type]
