"""Flight specials in PostgreSQL. The column `expiry_date` has no zone; its values are UTC.

The mark of a listing: `pg_current_snapshot()` identifies the transactions that a statement sees. Two
statements with the same snapshot see the same rows, so a list that was read with one need not be read
again with the other. A server never reuses transaction ids between starts, and its start time
distinguishes starts and servers.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from flightspecial_service.domain import FlightSpecial, Header, Listing, SpecialsFilter
from flightspecial_service.infrastructure.postgres.database import Database

_NAMES = "id, header, body, origin, origin_code, destination, destination_code, cost"
COLUMNS = f"{_NAMES}, expiry_date, version"
"""In the order of the fields of FlightSpecial."""

_LISTING = """
WITH state AS MATERIALIZED (
    SELECT pg_current_snapshot()::text || '@' || pg_postmaster_start_time()::text AS mark
)
SELECT {columns}, NULL AS mark FROM {table}
WHERE (SELECT mark FROM state) IS DISTINCT FROM $1
UNION ALL
SELECT 0, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, mark FROM state
ORDER BY mark NULLS FIRST, expiry_date, id
"""
_MATCHING = """
SELECT {columns} FROM {table}
WHERE ($1::text IS NULL OR $1 IN (origin, origin_code))
  AND ($2::text IS NULL OR $2 IN (destination, destination_code))
  AND ($3::timestamp IS NULL OR expiry_date > $3)
  AND ($4::bool IS NOT TRUE OR expiry_date IS NULL
       OR (expiry_date, id) > ($5::timestamp, $6::int8))
  AND ($4::bool IS NOT FALSE OR expiry_date IS NULL AND id > $6)
ORDER BY expiry_date, id
LIMIT $7::int8
"""


class PgFlightSpecials:
    """The port `FlightSpecials` on a table of `schema`, a checked identifier."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        table = f'"{schema}".flightspecial'
        self._listing = _LISTING.format(columns=COLUMNS, table=table)
        self._matching = _MATCHING.format(columns=COLUMNS, table=table)
        self._find = f"SELECT {COLUMNS} FROM {table} WHERE id = $1"
        self._set_header = f"UPDATE {table} SET header = $2 WHERE id = $1"

    async def listing(self, known: str | None = None) -> Listing | None:
        """All specials in order of expiry; None if nothing has changed since the mark `known`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._listing, known)
        mark: str = rows.pop()[10]
        if mark == known:
            return None
        return Listing(mark, tuple(map(special, rows)))

    async def matching(self, specials_filter: SpecialsFilter) -> Sequence[FlightSpecial]:
        """The matching specials, in order of expiry."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._matching, *_arguments(specials_filter))
        return [special(row) for row in rows]

    async def find(self, number: int) -> FlightSpecial | None:
        """The special with this id."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._find, number)
        return None if row is None else special(row)

    async def set_header(self, number: int, header: Header) -> bool:
        """Change one header, in one statement; False if no special has this id."""
        async with self._database.connection() as connection:
            done = await connection.execute(self._set_header, number, header.text)
        return done == "UPDATE 1"


def special(row: asyncpg.Record) -> FlightSpecial:
    """The special in a row that begins with `COLUMNS`."""
    expiry = row[8]
    return FlightSpecial(
        *(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]),
        None if expiry is None else expiry.replace(tzinfo=UTC),
        row[9],
    )


def naive_utc(instant: datetime | None) -> datetime | None:
    """The instant as the column stores it."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def _arguments(specials_filter: SpecialsFilter) -> tuple[object, ...]:
    """The parameters of `_MATCHING`. $4: whether the cursor has an expiry; NULL without a cursor."""
    after = specials_filter.after
    return (
        specials_filter.origin,
        specials_filter.destination,
        naive_utc(specials_filter.unexpired_at),
        None if after is None else after.expires_at is not None,
        None if after is None else naive_utc(after.expires_at),
        None if after is None else after.id,
        specials_filter.limit,
    )
