"""Flights and the history of their names in PostgreSQL."""

from collections.abc import Sequence

import asyncpg

from flightspecial_service.domain import Flight, PushingStatus
from flightspecial_service.infrastructure.postgres.database import Connection, Database

_STATUSES = {code: status for status in PushingStatus for code in (status.name, str(status.value))}
"""The column is text; rows hold either the name or the number."""


class FlightTables:
    """The statements for the tables of `schema`, a checked identifier."""

    def __init__(self, schema: str) -> None:
        flight, history = f'"{schema}".flight', f'"{schema}".flight_name_history'
        columns = "flight_no, profile_id, flight_name, poping_step, pushing_status_code"
        self._find = f"SELECT {columns} FROM {flight} WHERE flight_no = $1"
        self._past = (
            f"SELECT flight_name FROM {history} WHERE flight_no = $1"
            " ORDER BY flight_name_history_no"
        )
        self._rename = f"UPDATE {flight} SET flight_name = $2 WHERE flight_no = $1"
        self._remember = f"INSERT INTO {history} (flight_no, flight_name) VALUES ($1, $2)"

    async def find(self, connection: Connection, number: int, *, lock: bool) -> Flight | None:
        """The flight with this number; `lock` locks its row until the end of the transaction."""
        query = f"{self._find} FOR UPDATE" if lock else self._find
        row = await connection.fetchrow(query, number)
        if row is None:
            return None
        return _flight(row, await connection.fetch(self._past, number))

    async def save_renamed(self, connection: Connection, flight: Flight) -> None:
        """Store the new name, and the last former name."""
        await connection.execute(self._remember, flight.no, flight.past_names[-1])
        await connection.execute(self._rename, flight.no, flight.name)


class PgFlights:
    """The port `Flights`."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._tables = FlightTables(schema)

    async def find_flight(self, number: int) -> Flight | None:
        """Read both tables in one snapshot."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await self._tables.find(connection, number, lock=False)


def _flight(row: asyncpg.Record, past: Sequence[asyncpg.Record]) -> Flight:
    return Flight(
        no=row[0],
        profile_id=row[1],
        name=row[2],
        past_names=tuple(each[0] for each in past),
        popping_step=row[3],
        pushing_status=_STATUSES.get(row[4], PushingStatus.NORMAL),
    )
