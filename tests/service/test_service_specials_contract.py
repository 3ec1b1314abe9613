"""What every store of flight specials does: the fake of the tests and the one in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from flightspecial_service.domain import FlightSpecial, FlightSpecials, Header
from flightspecial_service.infrastructure.database import Database
from flightspecial_service.infrastructure.specials import PgFlightSpecials
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
    (id, header, body, origin, origin_code, destination, destination_code, cost, expiry_date)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz AT TIME ZONE 'UTC')
"""


@asynccontextmanager
async def pg_store(settings: DatabaseSettings) -> AsyncIterator[MakeStore]:
    database = Database(settings)
    await database.open()

    async def make(specials: Sequence[FlightSpecial]) -> FlightSpecials:
        async with database.connection() as connection:
            # A zone far from UTC: what is stored and read must not depend on it.
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
    """The database, for the store that needs one."""
    if request.param == "fake":
        return None
    found: DatabaseSettings = request.getfixturevalue("database")
    return found


@pytest.fixture
async def store(kept_in: DatabaseSettings | None) -> AsyncIterator[MakeStore]:
    if kept_in is None:
        yield fake_store
    else:
        async with pg_store(kept_in) as make:
            yield make


async def test_every_special_comes_in_order_of_expiry_then_id(store: MakeStore) -> None:
    specials = await store(list(reversed(ALL)))
    assert list(await specials.every()) == ALL


async def test_an_empty_store_has_none(store: MakeStore) -> None:
    specials = await store([])
    assert (list(await specials.every()), list(await specials.on_sale(NOW))) == ([], [])


@pytest.mark.parametrize(
    ("now", "found"),
    [
        pytest.param(
            NOW - timedelta(days=1), [EXPIRED, FIRST, TWIN, SECOND], id="before all expire"
        ),
        pytest.param(NOW, [FIRST, TWIN, SECOND], id="what expires now is over"),
        pytest.param(SOON, [TWIN, SECOND], id="a moment later"),
        pytest.param(LATER, [], id="when all is over"),
    ],
)
async def test_on_sale_are_those_with_a_price_that_expire_later(
    store: MakeStore, now: datetime, found: list[FlightSpecial]
) -> None:
    specials = await store(ALL)
    assert list(await specials.on_sale(now)) == found


async def test_the_zone_of_now_does_not_matter(store: MakeStore) -> None:
    specials = await store(ALL)
    elsewhere = NOW.astimezone(datetime.strptime("+0900", "%z").tzinfo)
    assert list(await specials.on_sale(elsewhere)) == [FIRST, TWIN, SECOND]


async def test_one_is_found_by_its_id_with_all_it_has(store: MakeStore) -> None:
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
    assert list(await specials.every()) == [
        FIRST.with_header(Header(text)) if each is FIRST else each for each in ALL
    ]


async def test_changing_what_is_not_there_says_so(store: MakeStore) -> None:
    specials = await store(ALL)
    assert not await specials.set_header(5, Header("x"))
    assert not await specials.set_header(2**63 - 1, Header("x"))
    assert list(await specials.every()) == ALL


async def test_many_writers_leave_one_of_their_headers(store: MakeStore) -> None:
    specials = await store(ALL)
    texts = [f"writer {number}" for number in range(30)]
    assert all(await asyncio.gather(*(specials.set_header(4, Header(text)) for text in texts)))
    found = await specials.find(4)
    assert found is not None
    assert found.header in texts
