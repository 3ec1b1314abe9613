"""Transactions in PostgreSQL: the ports `Store` and `UnitOfWork`."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from flightspecial_service.domain import Flight, FlightSpecial, Offer, UnitOfWork
from flightspecial_service.errors import Conflicted
from flightspecial_service.infrastructure.postgres.database import Connection, Database
from flightspecial_service.infrastructure.postgres.flights import FlightTables
from flightspecial_service.infrastructure.postgres.idempotency_keys import KeyTable
from flightspecial_service.infrastructure.postgres.specials import COLUMNS, naive_utc, special

log = logging.getLogger(__name__)
T = TypeVar("T")

TRIES = 4
"""Attempts of one transaction that is rolled back because of others."""
_FIRST_DELAY_S = 0.02


class Tables:
    """The statements for the tables of `schema`, a checked identifier."""

    def __init__(self, schema: str, key_ttl_s: float) -> None:
        table = f'"{schema}".flightspecial'
        self.flights = FlightTables(schema)
        self.keys = KeyTable(schema, key_ttl_s)
        self.find = f"SELECT {COLUMNS} FROM {table} WHERE id = $1 FOR UPDATE"
        self.add = (
            f"INSERT INTO {table} (header, body, origin, origin_code, destination, destination_code,"
            " cost, expiry_date)"
            f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}"
        )
        self.save = (
            f"UPDATE {table} SET header = $2, body = $3, origin = $4, origin_code = $5,"
            " destination = $6, destination_code = $7, cost = $8, expiry_date = $9"
            " WHERE id = $1 RETURNING version"
        )
        self.remove = f"DELETE FROM {table} WHERE id = $1"


class PgUnitOfWork:
    """The port `UnitOfWork`: one transaction on one connection."""

    def __init__(self, connection: Connection, tables: Tables) -> None:
        self._connection = connection
        self._tables = tables

    async def special(self, number: int) -> FlightSpecial | None:
        """The special with this id, locked until the end of the transaction."""
        row = await self._connection.fetchrow(self._tables.find, number)
        return None if row is None else special(row)

    async def add_special(self, offer: Offer) -> FlightSpecial:
        """Insert a special; the table assigns its id."""
        [row] = await self._connection.fetch(self._tables.add, *offer_values(offer))
        return special(row)

    async def save_special(self, special: FlightSpecial) -> FlightSpecial:
        """Update a special; a trigger of the table counts its version."""
        version: int = await self._connection.fetchval(
            self._tables.save, special.id, *offer_values(special)
        )
        return replace(special, version=version)

    async def remove_special(self, number: int) -> None:
        """Delete a special; no other table refers to it."""
        await self._connection.execute(self._tables.remove, number)

    async def flight(self, number: int) -> Flight | None:
        """The flight with this number, locked until the end of the transaction."""
        return await self._tables.flights.lock(self._connection, number)

    async def save_renamed(self, flight: Flight, former_name: str) -> None:
        """Store the new name, and append the former one to the history."""
        await self._tables.flights.save_renamed(self._connection, flight, former_name)

    async def claim(self, key: str, fingerprint: bytes) -> str | None:
        """Claim an idempotency key, or return its outcome."""
        return await self._tables.keys.claim(self._connection, key, fingerprint)

    async def keep(self, key: str, outcome: str) -> None:
        """Store the outcome of the key."""
        await self._tables.keys.keep(self._connection, key, outcome)


class PgStore:
    """The port `Store`. `draw` gives a uniform number from [0, 1)."""

    def __init__(
        self,
        database: Database,
        schema: str,
        key_ttl_s: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._tables = Tables(schema, key_ttl_s)
        self._draw = draw

    async def run(self, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run `act` in one transaction; retry it after a deadlock or serialization failure.

        A transaction whose COMMIT got no response is not retried: it may have been committed.
        """
        for attempt in range(1, TRIES):
            try:
                return await self._run_transaction(act)
            except Conflicted as error:
                delay_s = _FIRST_DELAY_S * 2**attempt * self._draw()
                log.info("rolled back, trying again: %s", error, extra={"tried": attempt})
                await asyncio.sleep(delay_s)
        return await self._run_transaction(act)

    async def _run_transaction(self, act: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        async with self._database.transaction() as connection:
            return await act(PgUnitOfWork(connection, self._tables))

    async def remove_expired_keys(self) -> None:
        """Delete expired idempotency keys. Raises Unavailable."""
        async with self._database.write_connection() as connection:
            await self._tables.keys.remove_expired(connection)


def offer_values(source: FlightSpecial | Offer) -> tuple[object, ...]:
    """The parameters of INSERT and UPDATE: the fields of an offer, in the order of the columns."""
    return (
        *(source.header, source.body, source.origin, source.origin_code),
        *(source.destination, source.destination_code, source.cost, naive_utc(source.expires_at)),
    )
