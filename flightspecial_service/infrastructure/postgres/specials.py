"""Flight specials in PostgreSQL. The column `expiry_date` has no zone; its values are UTC.

The mark of a listing: `pg_current_snapshot()` identifies the transactions that a statement sees. Two
statements with the same snapshot see the same rows, so a list that was read with one need not be read
again with the other. A server never reuses transaction ids between starts, and its start time
distinguishes starts and servers. A standby has no mark: its snapshots do not name the transactions
that are in progress.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import asyncpg

from flightspecial_service.domain import FlightSpecial, Header, Listing, SpecialsFilter
from flightspecial_service.infrastructure.postgres.database import Database

log = logging.getLogger(__name__)

_ENDS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""What Python can represent. PostgreSQL stores years from 4713 BC to 294276, and infinity."""
_FIRST, _LAST = (f"'{end.replace(tzinfo=None).isoformat()}'" for end in _ENDS)
_IN_RANGE = f"BETWEEN {_FIRST} AND {_LAST}"
_EXPIRY = (
    f"CASE WHEN expiry_date {_IN_RANGE} THEN expiry_date WHEN expiry_date < {_FIRST} THEN {_FIRST}"
    f" WHEN expiry_date > {_LAST} THEN {_LAST} END"
)
_NAMES = "id, header, body, origin, origin_code, destination, destination_code, cost"
COLUMNS = f"{_NAMES}, {_EXPIRY} AS expiry_date, version"
"""In the order of the fields of FlightSpecial."""

_LISTING = """
WITH state AS MATERIALIZED (
    SELECT CASE WHEN NOT pg_is_in_recovery()
        THEN pg_current_snapshot()::text || '@' || pg_postmaster_start_time()::text END AS mark
)
SELECT {columns}, mark
FROM state LEFT JOIN {table} AS special ON mark IS NULL OR mark IS DISTINCT FROM $1
ORDER BY special.expiry_date, id
"""
# A cursor does not hold an expiry that is out of range: it is looked up.
_MATCHING = """
SELECT {columns} FROM {table} AS special
WHERE ($1::text IS NULL OR $1 IN (origin, origin_code))
  AND ($2::text IS NULL OR $2 IN (destination, destination_code))
  AND ($3::timestamp IS NULL OR expiry_date > $3)
  AND ($4::bool IS NOT TRUE OR expiry_date IS NULL
       OR (expiry_date, id) > (coalesce((SELECT expiry_date FROM {table}
           WHERE id = $6 AND expiry_date NOT {in_range}), $5::timestamp), $6::int8))
  AND ($4::bool IS NOT FALSE OR expiry_date IS NULL AND id > $6)
ORDER BY special.expiry_date, id
LIMIT $7::int8
"""


class PgFlightSpecials:
    """The port `FlightSpecials` on a table of `schema`, a checked identifier."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        table = f'"{schema}".flightspecial'
        self._listing = _LISTING.format(columns=COLUMNS, table=table)
        self._matching = _MATCHING.format(columns=COLUMNS, table=table, in_range=_IN_RANGE)
        self._find = f"SELECT {COLUMNS} FROM {table} WHERE id = $1"
        self._set_header = f"UPDATE {table} SET header = $2 WHERE id = $1"
        self._out_of_range_logged = False

    async def listing(self, known: str | None = None) -> Listing | None:
        """All specials in order of expiry; None if nothing has changed since the mark `known`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._listing, known)
        mark: str | None = rows[0][10]
        if mark is not None and mark == known:
            return None
        # Without specials there is one row for the mark.
        return Listing(mark, self._specials(row for row in rows if row[0] is not None))

    async def matching(self, specials_filter: SpecialsFilter) -> Sequence[FlightSpecial]:
        """The matching specials, in order of expiry."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._matching, *_arguments(specials_filter))
        return self._specials(rows)

    async def find(self, number: int) -> FlightSpecial | None:
        """The special with this id."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._find, number)
        return None if row is None else special(row)

    async def set_header(self, number: int, header: Header) -> bool:
        """Change one header, in one statement; False if no special has this id."""
        async with self._database.write_connection() as connection:
            done = await connection.execute(self._set_header, number, header.text)
        return done == "UPDATE 1"

    def _specials(self, rows: Iterable[asyncpg.Record]) -> tuple[FlightSpecial, ...]:
        """The specials in these rows. An expiry that is out of range is logged, once."""
        specials = tuple(map(special, rows))
        if not self._out_of_range_logged:
            for each in specials:
                if each.expires_at in _ENDS:
                    self._out_of_range_logged = True
                    log.warning(
                        "an expiry is not in the years 1 to 9999, and is shown as the nearest of them",
                        extra={"id": each.id},
                    )
                    break
        return specials


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
