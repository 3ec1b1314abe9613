"""Flights and the history of their names in PostgreSQL."""

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
        past = (
            f"ARRAY(SELECT past.flight_name FROM {history} AS past"
            " WHERE past.flight_no = flight.flight_no ORDER BY past.flight_name_history_no)"
        )
        where = f"FROM {flight} AS flight WHERE flight_no = $1"
        self.find = f"SELECT {columns}, {past} {where}"
        self._lock = f"SELECT {columns}, '{{}}'::text[] {where} FOR UPDATE"
        self._rename = f"UPDATE {flight} SET flight_name = $2 WHERE flight_no = $1"
        self._remember = f"INSERT INTO {history} (flight_no, flight_name) VALUES ($1, $2)"

    async def locked(self, connection: Connection, number: int) -> Flight | None:
        """The flight without its history; its row is locked until the end of the transaction."""
        row = await connection.fetchrow(self._lock, number)
        return None if row is None else _flight(row)

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
        """Read both tables in one statement, so in one snapshot."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._tables.find, number)
        return None if row is None else _flight(row)


def _flight(row: asyncpg.Record) -> Flight:
    return Flight(
        no=row[0],
        profile_id=row[1],
        name=row[2],
        past_names=tuple(row[5]),
        popping_step=row[3],
        pushing_status=_STATUSES.get(row[4], PushingStatus.NORMAL),
    )
