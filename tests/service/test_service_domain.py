"""The rules of a flight special."""

from datetime import UTC, datetime, timedelta

import pytest

from flightspecial_service.domain import FlightSpecial, Header
from flightspecial_service.errors import BadHeader

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x", id="one character"),
        pytest.param("x" * 255, id="255 characters"),
        pytest.param("\U0001f6eb" * 255, id="255 characters outside the basic plane"),
    ],
)
def test_a_header_may_be(text: str) -> None:
    assert Header(text).text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "not 0", id="empty"),
        pytest.param("x" * 256, "not 256", id="256 characters"),
        pytest.param("a\0b", r"U\+0000", id="a NUL in it"),
        pytest.param("a\ud800", "surrogate", id="half of a surrogate pair, the first"),
        pytest.param("\udfff", "surrogate", id="half of a surrogate pair, the last"),
    ],
)
def test_a_header_must_not_be(text: str, why: str) -> None:
    with pytest.raises(BadHeader, match=why):
        Header(text)


def test_a_new_header_changes_nothing_else() -> None:
    before = FlightSpecial(id=1, header="old", body="b", cost=9, expires_at=NOW)
    assert before.with_header(Header("new")) == FlightSpecial(
        1, "new", body="b", cost=9, expires_at=NOW, version=2
    )
    assert before.header == "old"


@pytest.mark.parametrize(
    ("cost", "expires_at", "on_sale"),
    [
        pytest.param(9, NOW + timedelta(microseconds=1), True, id="expires in a moment"),
        pytest.param(0, NOW + timedelta(days=1), True, id="costs nothing"),
        pytest.param(9, NOW, False, id="expires now"),
        pytest.param(9, NOW - timedelta(days=1), False, id="expired yesterday"),
        pytest.param(9, None, False, id="no expiry"),
        pytest.param(None, NOW + timedelta(days=1), False, id="no price"),
    ],
)
def test_a_special_is_on_sale(cost: int | None, expires_at: datetime | None, on_sale: bool) -> None:
    assert FlightSpecial(1, "h", cost=cost, expires_at=expires_at).on_sale(NOW) is on_sale
