"""The contract of `FlightSpecials`, for the store in PostgreSQL and for the fake of the tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from flightspecial_service.domain import (
    Cursor,
    FlightSpecial,
    FlightSpecials,
    Header,
    SpecialsFilter,
)
from flightspecial_service.infrastructure.postgres.database import Database
from flightspecial_service.infrastructure.postgres.specials import PgFlightSpecials
from flightspecial_service.settings import DatabaseSettings
from tests.service.fakes import FakeSpecials

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(milliseconds=1)
LATER = NOW + timedelta(days=1)

FIRST = FlightSpecial(4, "first", "body", "London", "LHR", "Paris", "CDG", 120, SOON)
TWIN = FlightSpecial(3, "the same expiry", cost=1, expires_at=LATER)
SECOND = FlightSpecial(7, "한국 \U0001f6eb", cost=0, expires_at=LATER)
EXPIRED = FlightSpecial(9, "expired now", cost=5, expires_at=NOW)
NO_EXPIRY = FlightSpecial(1, "no expiry", cost=5)
NO_PRICE = FlightSpecial(2, "no price", expires_at=LATER + timedelta(days=1))
ALL = [EXPIRED, FIRST, TWIN, SECOND, NO_PRICE, NO_EXPIRY]

MakeStore = Callable[[Sequence[FlightSpecial]], Awaitable[FlightSpecials]]

_INSERT = """
INSERT INTO travelbuddy.flightspecial
    (id, header, body, origin, origin_code, destination, destination_code, cost, expiry_date,
     version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz AT TIME ZONE 'UTC', $10)
"""


@asynccontextmanager
async def pg_store(settings: DatabaseSettings) -> AsyncIterator[MakeStore]:
    database = Database(settings)
    await database.open()

    async def make(specials: Sequence[FlightSpecial]) -> FlightSpecials:
        async with database.connection() as connection:
            # A session zone far from UTC: it must not affect what is stored and read.
            await connection.execute("DELETE FROM travelbuddy.flightspecial")
            await connection.execute("SET TIME ZONE 'Pacific/Auckland'")
            for each in specials:
                values = (getattr(each, name) for name in each.__struct_fields__)
                await connection.execute(_INSERT, *values)
        return PgFlightSpecials(database, settings.schema)

    yield make
    await database.close()


async def fake_store(specials: Sequence[FlightSpecial]) -> FlightSpecials:
    return FakeSpecials(specials)


@pytest.fixture(params=["fake", "postgresql"])
def kept_in(request: pytest.FixtureRequest) -> DatabaseSettings | None:
    """The database; None for the fake."""
    if request.param == "fake":
        return None
    database: DatabaseSettings = request.getfixturevalue("tables")
    return database


@pytest.fixture
async def store(kept_in: DatabaseSettings | None) -> AsyncIterator[MakeStore]:
    if kept_in is None:
        yield fake_store
    else:
        async with pg_store(kept_in) as make:
            yield make


async def all_of(specials: FlightSpecials) -> list[FlightSpecial]:
    listing = await specials.listing()
    assert listing is not None
    return list(listing.specials)


async def test_every_special_comes_in_order_of_expiry_then_id(store: MakeStore) -> None:
    specials = await store(list(reversed(ALL)))
    assert await all_of(specials) == ALL
    assert list(await specials.matching(SpecialsFilter())) == ALL


async def test_an_empty_store_has_none(store: MakeStore) -> None:
    specials = await store([])
    assert (await all_of(specials), list(await specials.matching(SpecialsFilter()))) == ([], [])


async def test_a_listing_comes_again_only_if_something_changed(store: MakeStore) -> None:
    specials = await store(ALL)
    first = await specials.listing()
    assert first is not None
    assert await specials.listing(first.mark) is None
    await specials.set_header(4, Header("another"))
    second = await specials.listing(first.mark)
    assert second is not None
    assert second.mark != first.mark
    assert next(each for each in second.specials if each.id == 4).header == "another"
    assert await specials.listing(second.mark) is None


@pytest.mark.parametrize(
    ("specials_filter", "expected"),
    [
        pytest.param(SpecialsFilter(limit=2), ALL[:2], id="the first two"),
        pytest.param(SpecialsFilter(limit=100), ALL, id="more than there are"),
        pytest.param(SpecialsFilter(unexpired_at=NOW), ALL[1:5], id="what expires now is over"),
        pytest.param(SpecialsFilter(unexpired_at=SOON), ALL[2:5], id="a moment later"),
        pytest.param(SpecialsFilter(origin="London"), [FIRST], id="an origin by its name"),
        pytest.param(SpecialsFilter(origin="LHR"), [FIRST], id="an origin by its code"),
        pytest.param(SpecialsFilter(origin="london"), [], id="in other letters"),
        pytest.param(SpecialsFilter(origin="Paris"), [], id="a destination is no origin"),
        pytest.param(SpecialsFilter(destination="CDG"), [FIRST], id="a destination by its code"),
        pytest.param(SpecialsFilter(destination="Paris", origin="LHR"), [FIRST], id="both"),
        pytest.param(SpecialsFilter(destination="Paris", origin="x"), [], id="only one of both"),
        pytest.param(SpecialsFilter(after=Cursor(LATER, 3)), ALL[3:], id="behind one of two twins"),
        pytest.param(
            SpecialsFilter(after=Cursor(LATER, 5), limit=1),
            [SECOND],
            id="behind one that is gone",
        ),
        pytest.param(SpecialsFilter(after=Cursor(SOON, 10**9), limit=1), [TWIN], id="between two"),
        pytest.param(
            SpecialsFilter(after=Cursor(None, 0)), [NO_EXPIRY], id="those without an expiry"
        ),
        pytest.param(SpecialsFilter(after=Cursor(None, 1)), [], id="behind the last"),
        pytest.param(
            SpecialsFilter(after=Cursor(LATER, 3), unexpired_at=SOON), ALL[3:5], id="all of it"
        ),
    ],
)
async def test_matching_specials(
    store: MakeStore, specials_filter: SpecialsFilter, expected: list[FlightSpecial]
) -> None:
    specials = await store(ALL)
    assert list(await specials.matching(specials_filter)) == expected


async def test_the_zone_of_a_time_does_not_matter(store: MakeStore) -> None:
    specials = await store(ALL)
    elsewhere = SOON.astimezone(datetime.strptime("+0900", "%z").tzinfo)
    assert list(await specials.matching(SpecialsFilter(unexpired_at=elsewhere))) == ALL[2:5]
    after = Cursor(elsewhere, 4)
    assert list(await specials.matching(SpecialsFilter(after=after, limit=1))) == [TWIN]


async def test_find_returns_the_special_with_all_fields(store: MakeStore) -> None:
    specials = await store(ALL)
    assert await specials.find(4) == FIRST
    assert await specials.find(5) is None
    assert await specials.find(2**63 - 1) is None


@pytest.mark.parametrize(
    "text", ["x", "가" * 255, "\U0001f6eb" * 255, "'; DROP TABLE x; --", " \t\n\u202e"]
)
async def test_a_header_is_changed_and_nothing_else(store: MakeStore, text: str) -> None:
    specials = await store(ALL)
    assert await specials.set_header(4, Header(text))
    assert await all_of(specials) == [
        FIRST.with_header(Header(text)) if each is FIRST else each for each in ALL
    ]


async def test_changing_an_unknown_special_returns_false(store: MakeStore) -> None:
    specials = await store(ALL)
    assert not await specials.set_header(5, Header("x"))
    assert not await specials.set_header(2**63 - 1, Header("x"))
    assert await all_of(specials) == ALL


async def test_many_writers_leave_one_of_their_headers(store: MakeStore) -> None:
    specials = await store(ALL)
    texts = [f"writer {number}" for number in range(30)]
    assert all(await asyncio.gather(*(specials.set_header(4, Header(text)) for text in texts)))
    special = await specials.find(4)
    assert special is not None
    assert special.header in texts
