"""Flight specials in PostgreSQL. The column `expiry_date` has no zone; what it holds is UTC."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from flightspecial_service.domain import FlightSpecial, Header
from flightspecial_service.infrastructure.database import Database

_COLUMNS = (
    "id, header, body, origin, origin_code, destination, destination_code, cost,"
    " expiry_date AT TIME ZONE 'UTC'"
)


class PgFlightSpecials:
    """The port `FlightSpecials` on a table of `schema`, a checked identifier."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        table = f'"{schema}".flightspecial'
        self._every = f"SELECT {_COLUMNS} FROM {table} ORDER BY expiry_date, id"
        self._on_sale = (
            f"SELECT {_COLUMNS} FROM {table}"
            " WHERE expiry_date > $1::timestamptz AT TIME ZONE 'UTC' AND cost IS NOT NULL"
            " ORDER BY expiry_date, id"
        )
        self._find = f"SELECT {_COLUMNS} FROM {table} WHERE id = $1"
        self._set_header = f"UPDATE {table} SET header = $2 WHERE id = $1"

    async def every(self) -> Sequence[FlightSpecial]:
        """All of them, in order of expiry."""
        async with self._database.connection() as connection:
            return [_special(row) for row in await connection.fetch(self._every)]

    async def on_sale(self, now: datetime) -> Sequence[FlightSpecial]:
        """Those that can be bought at `now`, in order of expiry."""
        async with self._database.connection() as connection:
            return [_special(row) for row in await connection.fetch(self._on_sale, now)]

    async def find(self, number: int) -> FlightSpecial | None:
        """The one with this id."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._find, number)
        return None if row is None else _special(row)

    async def set_header(self, number: int, header: Header) -> bool:
        """One statement, so that two writers never mix."""
        async with self._database.connection() as connection:
            done = await connection.execute(self._set_header, number, header.text)
        return done == "UPDATE 1"


def _special(row: asyncpg.Record) -> FlightSpecial:
    """A row of `_COLUMNS`: both have the same order."""
    return FlightSpecial(*row)
