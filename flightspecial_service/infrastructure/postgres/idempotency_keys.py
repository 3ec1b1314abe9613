"""Idempotency keys in PostgreSQL. Their age is measured by the clock of the database only."""

from flightspecial_service.errors import KeyReused
from flightspecial_service.infrastructure.postgres.database import Connection

# An expired key is free: its row is overwritten.
_CLAIM = """
INSERT INTO {table} AS kept (key, fingerprint) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint, outcome = NULL, taken_at = now()
    WHERE kept.taken_at < now() - make_interval(secs => $3)
"""


class KeyTable:
    """The statements for the table of `schema`; keys live for `ttl_s` seconds."""

    def __init__(self, schema: str, ttl_s: float) -> None:
        table = f'"{schema}".idempotency_key'
        self._ttl_s = ttl_s
        self._claim = _CLAIM.format(table=table)
        self._kept = f"SELECT fingerprint, outcome FROM {table} WHERE key = $1"
        self._keep = f"UPDATE {table} SET outcome = $2 WHERE key = $1"
        self._expire = f"DELETE FROM {table} WHERE taken_at < now() - make_interval(secs => $1)"

    async def claim(self, connection: Connection, key: str, fingerprint: bytes) -> str | None:
        """Claim the key; None if it was free, else its outcome. Raises KeyReused.

        The INSERT waits for another transaction that has inserted the same key to end.
        """
        done = await connection.execute(self._claim, key, fingerprint, self._ttl_s)
        if done == "INSERT 0 1":
            return None
        row = await connection.fetchrow(self._kept, key)
        if row is None:
            # It expired and was removed between the two statements; the next request finds it free.
            raise KeyReused("this idempotency key has just expired; send the request again")
        if row[0] != fingerprint:
            raise KeyReused("this idempotency key was used for another request")
        outcome: str = row[1]
        return outcome

    async def keep(self, connection: Connection, key: str, outcome: str) -> None:
        """Store the outcome of the request that claimed the key."""
        await connection.execute(self._keep, key, outcome)

    async def remove_expired(self, connection: Connection) -> None:
        """Delete expired keys."""
        await connection.execute(self._expire, self._ttl_s)
