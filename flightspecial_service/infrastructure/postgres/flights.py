"""Flights and the history of their names in PostgreSQL."""

from collections.abc import Sequence

from flightspecial_service.domain import Flight
from flightspecial_service.infrastructure.postgres.database import Connection, Database

# One statement, so that flight and names are of one snapshot.
_WITH_NAMES = """
SELECT flight_no, profile_id, flight_name, ARRAY(
    SELECT past.flight_name FROM {history} past WHERE past.flight_no = $1
    ORDER BY past.flight_name_history_no OFFSET $2 LIMIT $3
)
FROM {flight} WHERE flight_no = $1
"""


class FlightTables:
    """The statements for the tables of `schema`, a checked identifier."""

    def __init__(self, schema: str) -> None:
        flight, history = f'"{schema}".flight', f'"{schema}".flight_name_history'
        self.with_names = _WITH_NAMES.format(flight=flight, history=history)
        self._lock = f"SELECT flight_no, profile_id, flight_name FROM {flight} WHERE flight_no = $1 FOR UPDATE"
        self._rename = f"UPDATE {flight} SET flight_name = $2 WHERE flight_no = $1"
        self._remember = f"INSERT INTO {history} (flight_no, flight_name) VALUES ($1, $2)"

    async def lock(self, connection: Connection, number: int) -> Flight | None:
        """The flight with this number; its row is locked until the end of the transaction."""
        row = await connection.fetchrow(self._lock, number)
        return None if row is None else Flight(*row)

    async def save_renamed(self, connection: Connection, flight: Flight, former_name: str) -> None:
        """Store the new name, and append the former one to the history."""
        await connection.execute(self._remember, flight.no, former_name)
        await connection.execute(self._rename, flight.no, flight.name)


class PgFlights:
    """The port `Flights`."""

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._with_names = FlightTables(schema).with_names

    async def flight_with_names(
        self, number: int, after: int, limit: int
    ) -> tuple[Flight, Sequence[str]] | None:
        """The flight with this number, and a page of its former names, oldest first."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._with_names, number, after, limit)
        return None if row is None else (Flight(row[0], row[1], row[2]), row[3])
