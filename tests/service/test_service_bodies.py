"""A body that does not fit is refused with all its mistakes."""

from typing import Any

import pytest

from flightspecial_service.domain import Offer
from flightspecial_service.domain.specials import check_fields
from flightspecial_service.errors import BodyError, Invalid, Malformed
from flightspecial_service.interface.api.bodies import read_body
from flightspecial_service.interface.api.schemas import HeaderChange, OfferIn, OfferPatch
from flightspecial_service.interface.http.problems import problem

CASES = [
    pytest.param(OfferIn, b"{}", {"#/header": "missing"}, id="a missing field"),
    pytest.param(OfferIn, b"[]", {"#": "Expected `object`"}, id="no object"),
    pytest.param(
        OfferIn,
        b'{"header":"","cost":"7","expiryDate":"1969-12-31T23:59:59Z","colour":1,"originCode":"LONGER!"}',
        {
            "#/header": "length >= 1",
            "#/cost": "got `str`",
            "#/expiryDate": "1970 to 9999",
            "#/colour": "unknown field",
            "#/originCode": "length <= 6",
        },
        id="five mistakes",
    ),
    pytest.param(
        OfferIn,
        b'{"header":"x","expiryDate":"9999-12-31T23:59:59-14:00"}',
        {"#/expiryDate": "1970 to 9999"},
        id="a rule of the domain",
    ),
    pytest.param(
        OfferPatch,
        b'{"header":null,"body":"a\\u0000b","origin":"\\ud800"}',
        {"#/header": "got `null`", "#/body": "U+0000", "#/origin": "surrogate"},
        id="texts that cannot be stored",
    ),
    pytest.param(
        OfferPatch, b'{"a/b~c \\u00e9":1}', {"#/a~1b~0c%20%C3%A9": "unknown"}, id="an odd name"
    ),
    pytest.param(
        HeaderChange,
        b'{"id":0,"flightSpecialHeader":5,"more":1}',
        {"#/id": ">= 1", "#/flightSpecialHeader": "got `int`"},
        id="unknown fields are ignored here",
    ),
    pytest.param(
        HeaderChange,
        b'{"id":1,"flightSpecialHeader":"x","more":"\\ud800"}',
        {"#": "surrogate"},
        id="half a surrogate pair elsewhere",
    ),
]


def check(field: str, value: Any) -> None:
    """The rules of an offer, which the schemas do not express."""
    if field in Offer.__struct_fields__:
        check_fields({field: value})


@pytest.mark.parametrize(("kind", "body", "expected"), CASES)
def test_every_mistake_has_its_place(kind: Any, body: bytes, expected: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_body(body, kind, check)
    errors = {each.pointer: each.detail for each in refused.value.errors}
    assert errors.keys() == expected.keys()
    for pointer, part in expected.items():
        assert part in errors[pointer]


def test_a_problem_lists_the_mistakes() -> None:
    error = Invalid("no", (BodyError("#/cost", "too much"),))
    body = problem(error).body
    assert b'"errors":[{"pointer":"#/cost","detail":"too much"}]' in body
    assert b"errors" not in problem(Malformed("no")).body
